"""`sidecar check`, `explain`, `test`, `replay`, `envoy` and `schema`: what the owner of a policy works with."""

import argparse
import json
from pathlib import Path

import shtab

from sidecar.cli import values
from sidecar.cli.exit_codes import Commands, lacking, run_told, run_tool
from sidecar.streams.lines import InputError

_STANDARD_INPUT = "-"


def add_check(commands: Commands) -> None:
    """The command's options."""
    check = commands.add_parser(
        "check",
        help="find the mistakes in a policy, and in the Envoy configuration that carries it out",
        description="Say everything that is wrong with a policy file, and with --envoy with an Envoy configuration "
        "beside it, with file, line and what to do. Ends with 1 if there is an error (with --strict, or a warning).",
    )
    _add_policy(check)
    check.add_argument(
        "--envoy", type=Path, metavar="FILE", help="an Envoy bootstrap, YAML or JSON, to check as well"
    )
    check.add_argument("--strict", action="store_true", help="warnings count as errors")
    _add_json(check)
    check.set_defaults(run=_check)


def add_explain(commands: Commands) -> None:
    """The command's options."""
    explain = commands.add_parser(
        "explain",
        help="show what becomes of one request, and why",
        description="Decide one request as the server would, and show the signals, the rule, the classification, why "
        "each model is in the plan or not, and what it would cost. No server is needed.",
    )
    _add_policy(explain)
    request = explain.add_argument(
        "request",
        metavar="PROMPT|FILE|-",
        help="a prompt, a file with a request body as JSON, or - for standard input",
    )
    request.complete = shtab.FILE  # type: ignore[attr-defined]
    explain.add_argument(
        "--model", metavar="NAME", help="what the client asks for (default: the first virtual model)"
    )
    explain.add_argument(
        "--path", metavar="PATH", help="where it is sent (default: as the file says, or as is spoken)"
    )
    explain.add_argument(
        "--header", type=values.header, action="append", default=[], metavar="'NAME: VALUE'", help="a request header"
    )
    explain.add_argument("--at", type=values.moment, metavar="TIME", help="when it arrives (default: now)")
    _add_json(explain)
    explain.set_defaults(run=_explain)


def add_test(commands: Commands) -> None:
    """The command's options."""
    test = commands.add_parser(
        "test",
        help="run the routing tests that stand in a policy",
        description="Decide every request under `tests` and compare. Ends with 1 if a test fails.",
    )
    _add_policy(test)
    test.add_argument("--tests", type=Path, metavar="FILE", help="a file with other tests than the policy's")
    test.add_argument("--junit", type=Path, metavar="FILE", help="write a JUnit report there")
    _add_json(test)
    test.set_defaults(run=_test)


def add_replay(commands: Commands) -> None:
    """The command's options."""
    replay = commands.add_parser(
        "replay",
        help="show what another policy would have decided about a log",
        description="Decide a log of decision records, or of requests, again: shares, costs and what would change.",
    )
    replay.add_argument(
        "log", type=Path, metavar="LOG", help="JSON Lines, also compressed by gzip; - is standard input"
    )
    replay.add_argument("--policy", type=Path, required=True, metavar="FILE", help="the policy to try")
    replay.add_argument("--against", type=Path, metavar="FILE", help="compare with this one, not with the log's")
    replay.add_argument("--changes", type=Path, metavar="FILE", help="write every changed decision there, JSON Lines")
    replay.add_argument("--plot", type=Path, metavar="FILE", help="draw the shares, PNG or SVG")
    replay.add_argument("--processes", type=values.positive, metavar="N", help="(default: the processors available)")
    replay.add_argument("--strict", action="store_true", help="stop at a line that cannot be read")
    _add_json(replay)
    replay.set_defaults(run=_replay)


def add_envoy(commands: Commands) -> None:
    """The command's options."""
    envoy = commands.add_parser(
        "envoy",
        help="write the Envoy configuration for a policy",
        description="Write the whole Envoy configuration that carries out a policy, to standard output or, with its "
        "other files, into a folder.",
    )
    _add_policy(envoy)
    envoy.add_argument("--basic", action="store_true", help="for any recent Envoy: no failover between models")
    envoy.add_argument("--overlay", type=Path, metavar="FILE", help="your own changes, merged over it")
    _add_places(envoy)
    where = envoy.add_mutually_exclusive_group()
    where.add_argument("--out", type=Path, metavar="DIR", help="write envoy.yaml and what belongs to it there")
    where.add_argument("--json", action="store_true", help="for programs: JSON, which Envoy reads as well")
    envoy.set_defaults(run=_envoy)


def _add_places(envoy: argparse.ArgumentParser) -> None:
    places = envoy.add_argument_group("places", "where Envoy listens, and what it talks to beside the providers")
    places.add_argument(
        "--listen",
        default=("127.0.0.1", 10000),
        type=values.listening,
        metavar="IP:PORT",
        help="for the clients (default: 127.0.0.1:10000)",
    )
    places.add_argument(
        "--admin",
        default=("127.0.0.1", 9901),
        type=values.listening,
        metavar="IP:PORT",
        help="the admin interface; whoever reaches it can stop Envoy (default: 127.0.0.1:9901)",
    )
    places.add_argument(
        "--status",
        type=values.listening,
        metavar="IP:PORT",
        help="for probes and Prometheus: /ready and /stats/prometheus, and nothing else of the admin interface "
        "(default: none)",
    )
    places.add_argument(
        "--otlp",
        default=("127.0.0.1", 4317),
        type=values.address_or_none,
        metavar="HOST:PORT",
        help="the trace collector, by gRPC; `none`: no traces (default: 127.0.0.1:4317)",
    )
    places.add_argument(
        "--workers",
        default=1,
        type=values.positive,
        metavar="N",
        help="as many as `sidecar serve --workers` has (default: 1)",
    )


def add_schema(commands: Commands) -> None:
    """The command's options."""
    schema = commands.add_parser(
        "schema",
        help="print the JSON Schema of a policy file, for editors",
        description="Print the JSON Schema of a policy file, for completion in editors.",
    )
    schema.add_argument("--json", action="store_true", help="for programs, as it always is")
    schema.set_defaults(run=_schema)


def _add_policy(command: argparse.ArgumentParser) -> None:
    command.add_argument("policy", type=Path, metavar="POLICY", help="the policy file; - is standard input")


def _add_json(command: argparse.ArgumentParser) -> None:
    command.add_argument("--json", action="store_true", help="for programs: JSON, also of a failure")


def _share_standard_input(**files: object) -> None:
    """Raises InputError if more than one of the files is `-`."""
    taken = [name for name, file in files.items() if str(file) == _STANDARD_INPUT]
    if len(taken) > 1:
        raise InputError(f"- stands for standard input, which can be one file only, not both {' and '.join(taken)}")


def _check(options: argparse.Namespace) -> int:
    def run() -> int:
        from sidecar.policytools.checking.command import CheckOptions, run_check

        checked = CheckOptions(options.policy, options.envoy, is_strict=options.strict, as_json=options.json)
        try:
            return run_check(checked)
        except ModuleNotFoundError as error:
            raise lacking(error, "check --envoy", "envoy") from error

    return run_tool(run, as_json=options.json)


def _explain(options: argparse.Namespace) -> int:
    def run() -> int:
        from sidecar.policytools.commands import ExplainOptions, run_explain

        _share_standard_input(policy=options.policy, request=options.request)
        return run_explain(
            ExplainOptions(
                policy=options.policy,
                request=options.request,
                model=options.model,
                path=options.path,
                headers=dict(options.header),
                at=options.at,
                as_json=options.json,
            )
        )

    return run_tool(run, as_json=options.json)


def _test(options: argparse.Namespace) -> int:
    def run() -> int:
        from sidecar.policytools.commands import TestOptions, run_test

        _share_standard_input(policy=options.policy, tests=options.tests)
        return run_test(
            TestOptions(policy=options.policy, tests=options.tests, junit=options.junit, as_json=options.json)
        )

    return run_tool(run, as_json=options.json)


def _replay(options: argparse.Namespace) -> int:
    def run() -> int:
        from sidecar.policytools.commands import ReplayOptions, run_replay

        for name, file in (("policy", options.policy), ("against", options.against)):
            if str(file) == _STANDARD_INPUT:
                raise InputError(f"--{name}: expected a file, got -; every process of a replay reads it")
        return run_replay(
            ReplayOptions(
                log=options.log,
                policy=options.policy,
                against=options.against,
                changes=options.changes,
                plot=options.plot,
                processes=options.processes,
                is_strict=options.strict,
                as_json=options.json,
            )
        )

    return run_told(run, as_json=options.json)  # Ctrl-C has other processes to end


def _envoy(options: argparse.Namespace) -> int:
    def run() -> int:
        _share_standard_input(policy=options.policy, overlay=options.overlay)
        try:
            from sidecar.envoyconfig.command import run_render
            from sidecar.envoyconfig.parts.places import Places
        except ModuleNotFoundError as error:
            raise lacking(error, "envoy", "envoy") from error
        places = Places(
            edge=options.listen,
            admin=options.admin,
            status=options.status,
            otlp=options.otlp,
            workers=options.workers,
        )
        run_render(options.policy, options.basic, options.out, options.overlay, is_json=options.json, places=places)
        return 0

    return run_tool(run, as_json=options.json)


def _schema(options: argparse.Namespace) -> int:
    def run() -> int:
        from sidecar.config.published import policy_schema
        from sidecar.policytools.printing import write_text

        write_text(json.dumps(policy_schema(), indent=2, ensure_ascii=False) + "\n")
        return 0

    return run_tool(run, as_json=options.json)
