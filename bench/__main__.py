"""The command `python -m bench`."""

import argparse
import asyncio
import signal
import sys
from pathlib import Path

import uvloop

from bench.report import Report, write_json
from bench.run import run_bench
from bench.sizes import FULL, QUICK, Sizes
from bench.tables import render
from sidecar.demo.preflight import CannotStartError
from sidecar.demo.readiness import NotReadyError
from sidecar.inference.onnx_classifier import ModelFolderError


def main(arguments: list[str] | None = None) -> int:
    """Exit codes: 0 measured, 1 something did not start or could not be measured, 130 interrupted."""
    options = _build_parser().parse_args(arguments)
    try:
        report = uvloop.run(_run(QUICK if options.quick else FULL))
    except asyncio.CancelledError:
        return 130
    except (CannotStartError, ModelFolderError, NotReadyError, OSError, RuntimeError) as error:
        _say(f"bench: {error}")
        return 1
    sys.stdout.write("\n" + render(report))
    if options.out is not None:
        write_json(report, options.out)
    return 0


async def _run(sizes: Sizes) -> Report:
    """Ends early on Ctrl-C and SIGTERM, and then too stops what it has started."""
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    return await run_bench(sizes, _say)


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description="Measure what the sidecar costs, beside plain Envoy and raw ONNX Runtime."
    )
    parser.add_argument("--quick", action="store_true", help="about a minute, in place of eight at most")
    parser.add_argument("--out", type=Path, metavar="FILE.json", help="write the report there as well")
    return parser


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main())
