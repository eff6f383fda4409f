"""The command `sidecar`: reads the command line and calls what does the work."""

import argparse
import asyncio
import logging
import math
import signal
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from sidecar.routing.classification import ClassifierFailedError
from sidecar.routing.tier import Tier
from sidecar.workers import EXIT_CANNOT_START, run_workers, worker_address

_DEFAULT_SOCKET = "/run/llm/sidecar.sock"

_HIGHEST_PORT = 65535

EXIT_INTERRUPTED = 130  # as shells say of a command that Ctrl-C ended


def main(arguments: list[str] | None = None) -> int:
    """Exit codes: 0 done, 1 something broke, 2 the command line, the policy, the input or a port cannot be used."""
    options = _build_parser().parse_args(arguments)
    return int(options.run(options))


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sidecar", description="Sends each LLM request to the cheapest model that will answer it well."
    )
    parser.add_argument("--version", action="version", version=version("envoy-llm-sidecar"))
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_serve(commands)
    _add_demo(commands)
    _add_classify(commands)
    _add_calibrate(commands)
    _add_train(commands)
    return parser


def _add_serve(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    serve = commands.add_parser(
        "serve",
        help="decide requests for Envoy",
        description="Answer Envoy's ext_proc calls until SIGTERM, by a policy file and the classifier.",
    )
    serve.add_argument("--policy", type=Path, required=True, metavar="FILE", help="the policy, a YAML file")
    serve.add_argument(
        "--socket",
        default=_DEFAULT_SOCKET,
        type=_socket,
        metavar="PATH|HOST:PORT",
        help=f"where Envoy reaches us: a Unix socket or an address (default: {_DEFAULT_SOCKET})",
    )
    serve.add_argument(
        "--http",
        default="127.0.0.1:9902",
        type=_address,
        metavar="HOST:PORT",
        help="our own port, with /healthz, /readyz and /metrics (default: 127.0.0.1:9902)",
    )
    serve.add_argument(
        "--workers",
        default=1,
        type=_positive,
        metavar="N",
        help="processes; further ones listen at PATH-1, PATH-2 … and at PORT+1, PORT+2 … (default: 1)",
    )
    serve.add_argument(
        "--log-level", default="info", choices=("debug", "info", "warning", "error"), help="(default: info)"
    )
    serve.set_defaults(run=_run_serve)


def _add_demo(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    demo = commands.add_parser(
        "demo",
        help="try it: Envoy, the sidecar and providers of our own, on this machine",
        description="Run the real Envoy, the sidecar and stand-in providers on this machine, until Ctrl-C.",
    )
    demo.add_argument(
        "--envoy-port", type=_port, metavar="PORT", default=10000, help="where clients talk to Envoy (default: 10000)"
    )
    demo.add_argument(
        "--admin-port", type=_port, metavar="PORT", default=9901, help="Envoy's admin interface (default: 9901)"
    )
    demo.add_argument(
        "--http-port", type=_port, metavar="PORT", default=9902, help="the sidecar's own port (default: 9902)"
    )
    demo.add_argument(
        "--control-port",
        type=_port,
        metavar="PORT",
        default=9910,
        help="where the providers' faults are switched (default: 9910)",
    )
    demo.add_argument("--workers", type=_positive, default=1, metavar="N", help="sidecar processes (default: 1)")
    demo.add_argument("--basic", action="store_true", help="run envoy-basic.yaml: no failover between models")
    demo.add_argument("--otlp-endpoint", metavar="HOST:PORT", help="send traces of Envoy and sidecar there (gRPC)")
    demo.set_defaults(run=_run_demo)


def _add_classify(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    classify = commands.add_parser(
        "classify",
        help="say what the sidecar would make of each prompt of a file",
        description='Read lines {"text": "…"} from standard input; write intent, confidence, the likeliest three '
        "intents, difficulty, tier and whether the text was truncated, as a line of JSON for each.",
    )
    _add_setup(classify)
    classify.set_defaults(run=_run_classify)


def _add_calibrate(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    calibrate = commands.add_parser(
        "calibrate",
        help="find the difficulty threshold for a share of strong calls or a quality",
        description='Read a log of prompts, lines {"text": "…"}, from standard input; print the threshold, as a line '
        "for the policy, and what it does to this log.",
    )
    target = calibrate.add_mutually_exclusive_group(required=True)
    target.add_argument(
        "--strong-share", type=_share, metavar="SHARE", help="the share of requests that shall get the tier, 0 to 1"
    )
    target.add_argument(
        "--quality",
        type=_share,
        metavar="GRADE",
        help='the mean grade that answers shall have, 0 to 1; needs lines {"text": "…", "weak": 0, "strong": 1}',
    )
    calibrate.add_argument(
        "--tier",
        choices=("moderate", "complex", "reasoning"),
        default="complex",
        help="whose threshold to find; this tier and those above are the strong ones (default: complex)",
    )
    _add_setup(calibrate)
    calibrate.set_defaults(run=_run_calibrate)


def _add_train(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
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
        "--epochs", type=_epochs, default=6.0, metavar="N", help="passes over the prompts, at most (default: 6)"
    )
    train.add_argument(
        "--seed", type=_seed, default=17, metavar="N", help="the same seed gives the same model (default: 17)"
    )
    train.add_argument("--threads", type=_positive, metavar="N", help="(default: the processors available)")
    train.set_defaults(run=_run_train)


def _add_setup(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--policy", type=Path, metavar="FILE", help="a policy, for its rule and its model (default: the defaults)"
    )
    command.add_argument("--model", type=Path, metavar="DIR", help="another model folder than the policy's")
    command.add_argument(
        "--threads", type=_positive, metavar="N", help="prompts at once (default: the processors available)"
    )


def _run_serve(options: argparse.Namespace) -> int:
    logging.basicConfig(
        level=options.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr
    )
    if options.workers == 1:
        return _serve(options, 0)
    last_ports = [options.http[1], *([] if "/" in options.socket else [_address(options.socket)[1]])]
    if max(last_ports) + options.workers - 1 > _HIGHEST_PORT:
        print(f"sidecar: {options.workers} workers need ports beyond {_HIGHEST_PORT}", file=sys.stderr)
        return EXIT_CANNOT_START
    return run_workers(options.workers, lambda index: _serve(options, index))


def _serve(options: argparse.Namespace, index: int) -> int:
    from sidecar.serve import ServeOptions, StartError, serve  # not before a fork, and not for other commands

    host, port = options.http
    try:
        serve(
            ServeOptions(
                policy=options.policy,
                address=worker_address(options.socket, index),
                http_host=host,
                http_port=port + index,
                workers=options.workers,
            )
        )
    except StartError as error:
        print(f"sidecar: {error}", file=sys.stderr)
        return EXIT_CANNOT_START
    return 0


def _run_demo(options: argparse.Namespace) -> int:
    try:
        from sidecar.demo.run import DemoOptions, run_demo
    except ModuleNotFoundError as error:
        print(f"sidecar: the demo needs {error.name}: pip install 'envoy-llm-sidecar[demo]'", file=sys.stderr)
        return EXIT_CANNOT_START
    return asyncio.run(
        run_demo(
            DemoOptions(
                envoy_port=options.envoy_port,
                admin_port=options.admin_port,
                http_port=options.http_port,
                control_port=options.control_port,
                basic=options.basic,
                workers=options.workers,
                otlp_endpoint=options.otlp_endpoint,
            )
        )
    )


def _run_classify(options: argparse.Namespace) -> int:
    def run() -> None:
        from sidecar.offline.commands import run_classify

        run_classify(options.policy, options.model, options.threads)

    return _run_filter(run)


def _run_calibrate(options: argparse.Namespace) -> int:
    def run() -> None:
        from sidecar.offline.calibrate import Target
        from sidecar.offline.commands import run_calibrate

        target = Target(Tier[options.tier.upper()], options.strong_share or 0.0, options.quality)
        run_calibrate(options.policy, options.model, options.threads, target)

    return _run_filter(run)


def _run_train(options: argparse.Namespace) -> int:
    from sidecar.offline.lines import InputError

    try:
        from sidecar.finetuning.command import run_train

        run_train(options)
    except ModuleNotFoundError as error:
        print(f"sidecar: train needs {error.name}: pip install 'envoy-llm-sidecar[train]'", file=sys.stderr)
        return EXIT_CANNOT_START
    except InputError as error:
        print(f"sidecar: {error}", file=sys.stderr)
        return EXIT_CANNOT_START
    except OSError as error:
        print(f"sidecar: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nsidecar: interrupted; the same command goes on from the last checkpoint", file=sys.stderr)
        return EXIT_INTERRUPTED
    return 0


def _run_filter(run: Callable[[], None]) -> int:
    """Ctrl-C and `| head` end it at once and without a word, as they end `cat`."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else it was started to ignore Ctrl-C
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from sidecar.offline.lines import InputError

    try:
        run()
    except InputError as error:
        print(f"sidecar: {error}", file=sys.stderr)
        return EXIT_CANNOT_START
    except (ClassifierFailedError, OSError) as error:
        print(f"sidecar: {error}", file=sys.stderr)
        return 1
    return 0


def _socket(text: str) -> str:
    if "/" not in text:  # a path has one: ./sidecar.sock
        _address(text)
    return text


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not host:
        raise argparse.ArgumentTypeError(f"expected HOST:PORT, got {text!r}")
    return host.strip("[]"), _port(port)


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) <= _HIGHEST_PORT:
        raise argparse.ArgumentTypeError(f"expected a port from 1 to {_HIGHEST_PORT}, got {text!r}")
    return int(text)


def _seed(text: str) -> int:
    if not text.isdecimal() or int(text) >= 2**32:
        raise argparse.ArgumentTypeError(f"expected a whole number from 0 to 2^32 - 1, got {text!r}")
    return int(text)


def _epochs(text: str) -> float:
    try:
        epochs = float(text)
    except ValueError:
        epochs = math.nan
    if not 0 < epochs < math.inf:
        raise argparse.ArgumentTypeError(f"expected a number above 0, got {text!r}")
    return epochs


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = math.nan
    if not 0 <= share <= 1:
        raise argparse.ArgumentTypeError(f"expected a number from 0 to 1, got {text!r}")
    return share


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1, got {text!r}")
    return int(text)
