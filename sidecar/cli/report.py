"""`sidecar report`: a log of request records as one readable page."""

import argparse
from pathlib import Path

from sidecar.cli.exit_codes import Commands, lacking, run_told


def add_report(commands: Commands) -> None:
    """The command's options."""
    report = commands.add_parser(
        "report",
        help="make one readable page of a log of request records",
        description="Say what was routed where, what it cost and saved, what failed, what was slow and dear, and "
        "which prompts are worth labelling. Without --out, or if FILE does not end in .html, it is Markdown.",
    )
    report.add_argument(
        "logs",
        type=Path,
        nargs="+",
        metavar="LOG",
        help="JSON Lines, also compressed by gzip; - is standard input",
    )
    report.add_argument("-o", "--out", type=Path, metavar="FILE", help="write it there (default: standard output)")
    form = report.add_mutually_exclusive_group()
    form.add_argument("--markdown", action="store_true", help="whatever FILE ends in")
    form.add_argument("--json", action="store_true", help="for programs")
    report.add_argument(
        "--labels",
        type=Path,
        metavar="FILE",
        help="write sampled prompts with a label there, for `train`",
    )
    report.set_defaults(run=_report)


def _report(options: argparse.Namespace) -> int:
    def run() -> int:
        try:
            from sidecar.reporting.command import ReportOptions, run_report
        except ModuleNotFoundError as error:
            raise lacking(error, "report", "report") from error
        return run_report(
            ReportOptions(
                logs=tuple(options.logs),
                out=options.out,
                labels=options.labels,
                is_markdown=options.markdown,
                is_json=options.json,
            )
        )

    return run_told(run, as_json=options.json)
