"""The command `sidecar`: reads the command line and calls what does the work."""

import argparse
from importlib.metadata import version
from pathlib import Path

import shtab

from sidecar.cli.demo import add_demo
from sidecar.cli.exit_codes import run_as_shells_expect
from sidecar.cli.kubernetes import add_certificate, add_drain, add_inject, add_webhook
from sidecar.cli.policy import add_check, add_envoy, add_explain, add_replay, add_schema, add_test
from sidecar.cli.prompts import add_calibrate, add_classify, add_train
from sidecar.cli.report import add_report
from sidecar.cli.serve import add_serve


def main(arguments: list[str] | None = None) -> int:
    """Exit codes: 0 done, 1 something broke or was found, 2 the command line, a file or a port cannot be used."""

    def command() -> int:
        options = build_parser().parse_args(arguments)
        return int(options.run(options))

    return run_as_shells_expect(command)


def build_parser() -> argparse.ArgumentParser:
    """All commands with their options."""
    parser = argparse.ArgumentParser(
        prog="sidecar", description="Sends each LLM request to the cheapest model that will answer it well."
    )
    parser.add_argument("--version", action="version", version=version("envoy-llm-sidecar"))
    shtab.add_argument_to(parser, help="print a completion script for that shell")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for add in (
        add_serve,
        add_check,
        add_explain,
        add_test,
        add_replay,
        add_report,
        add_envoy,
        add_schema,
        add_inject,
        add_webhook,
        add_certificate,
        add_drain,
        add_demo,
        add_classify,
        add_calibrate,
        add_train,
    ):
        add(commands)
    for command in commands.choices.values():
        _complete_paths(command)
    return parser


def _complete_paths(command: argparse.ArgumentParser) -> None:
    """Shells complete the names of files and of folders where such are asked for."""
    for action in command._actions:
        if action.type is Path:
            action.complete = shtab.DIRECTORY if action.metavar == "DIR" else shtab.FILE  # type: ignore[attr-defined]
