"""`sidecar classify`, `calibrate` and `train`: what looks at many prompts at once."""

import argparse
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from sidecar.cli import values
from sidecar.cli.exit_codes import EXIT_INTERRUPTED, Commands, lacking, run_told, run_tool
from sidecar.routing.tier import Tier
from sidecar.streams.lines import InputError


def add_classify(commands: Commands) -> None:
    """The command's options."""
    classify = commands.add_parser(
        "classify",
        help="say what the sidecar would make of each prompt of a file",
        description='Read lines {"text": "…"} from standard input; write intent, confidence, the likeliest three '
        "intents, difficulty, tier and whether the text was truncated, as a line of JSON for each.",
    )
    _add_setup(classify)
    classify.set_defaults(run=_run_classify)


def add_calibrate(commands: Commands) -> None:
    """The command's options."""
    calibrate = commands.add_parser(
        "calibrate",
        help="find the difficulty threshold for a share of strong calls or a quality",
        description='Read a log of prompts, lines {"text": "…"}, from standard input; print the threshold, as a line '
        "for the policy, and what it does to this log.",
    )
    target = calibrate.add_mutually_exclusive_group(required=True)
    target.add_argument(
        "--strong-share",
        type=values.share,
        metavar="SHARE",
        help="the share of requests that shall get the tier, 0 to 1",
    )
    target.add_argument(
        "--quality",
        type=values.share,
        metavar="GRADE",
        help='the mean grade that answers shall have, 0 to 1; needs lines {"text": "…", "weak": 0, "strong": 1}',
    )
    calibrate.add_argument(
        "--tier",
        choices=("moderate", "complex", "reasoning"),
        default="complex",
        help="whose threshold to find; this tier and those above are the strong ones (default: complex)",
    )
    calibrate.add_argument("--json", action="store_true", help="for programs: JSON, also of a failure")
    _add_setup(calibrate)
    calibrate.set_defaults(run=_run_calibrate)


def add_train(commands: Commands) -> None:
    """The command's options."""
    train = commands.add_parser(
        "train",
        help="fine-tune the classifier on your own labels",
        description='Fine-tune the model in use on lines {"text", "intent" and/or "tier", "group"?}, write a model '
        "folder, and tell whether it is better than the model in use. The intents may be your own. Interrupted, the "
        "same command goes on.",
    )
    train.add_argument("--data", type=Path, required=True, metavar="FILE", help="labelled prompts, JSON Lines")
    train.add_argument("--out", type=Path, required=True, metavar="DIR", help="the model folder to write")
    train.add_argument("--policy", type=Path, metavar="FILE", help="a policy, for its rule and its model")
    train.add_argument("--model", type=Path, metavar="DIR", help="the model to start from (default: the one in use)")
    train.add_argument(
        "--epochs", type=values.epochs, default=6.0, metavar="N", help="passes over the prompts, at most (default: 6)"
    )
    train.add_argument(
        "--seed", type=values.seed, default=17, metavar="N", help="the same seed gives the same model (default: 17)"
    )
    train.add_argument("--threads", type=values.positive, metavar="N", help="(default: the processors available)")
    train.add_argument("--json", action="store_true", help="for programs: JSON, also of a failure")
    train.set_defaults(run=_run_train)


def _add_setup(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--policy", type=Path, metavar="FILE", help="a policy, for its rule and its model (default: the defaults)"
    )
    command.add_argument("--model", type=Path, metavar="DIR", help="another model folder than the policy's")
    command.add_argument(
        "--threads", type=values.positive, metavar="N", help="prompts at once (default: the processors available)"
    )


def _run_classify(options: argparse.Namespace) -> int:
    def run() -> None:
        from sidecar.offline.commands import run_classify

        run_classify(options.policy, options.model, options.threads)

    return _run_filter(run, options)


def _run_calibrate(options: argparse.Namespace) -> int:
    def run() -> None:
        from sidecar.offline.calibrate import Target
        from sidecar.offline.commands import run_calibrate

        target = Target(Tier[options.tier.upper()], options.strong_share or 0.0, options.quality)
        run_calibrate(options.policy, options.model, options.threads, target, is_json=options.json)

    return _run_filter(run, options)


def _run_train(options: argparse.Namespace) -> int:
    def run() -> int:
        try:
            from sidecar.finetuning.command import run_train

            _refuse_standard_input(options)
            run_train(options)
        except ModuleNotFoundError as error:
            raise lacking(error, "train", "train") from error
        except KeyboardInterrupt:
            print("\nsidecar: interrupted; the same command goes on from the last checkpoint", file=sys.stderr)
            return EXIT_INTERRUPTED
        return 0

    return run_told(run, as_json=options.json)


def _refuse_standard_input(options: argparse.Namespace) -> None:
    """Raises InputError for a policy there: prompts come from there."""
    if str(options.policy) == "-":
        raise InputError("--policy: expected a file, got -")


def _run_filter(run: Callable[[], None], options: argparse.Namespace) -> int:
    """Ctrl-C and `| head` end it at once and without a word, as they end `cat`."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)

    def run_whole() -> int:
        _refuse_standard_input(options)
        run()
        return 0

    return run_tool(run_whole, as_json="json" in options and options.json)
