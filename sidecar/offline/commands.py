"""The commands that read lines from standard input and write to standard output, put together."""

import os
import sys
from pathlib import Path
from typing import BinaryIO, TextIO

from sidecar.offline.calibrate import Target, calibrate, read_entries
from sidecar.offline.classify import classify_lines
from sidecar.offline.loading import load_setup
from sidecar.offline.report import as_json, render
from sidecar.processors import available_processors
from sidecar.streams.lines import InputError, read_lines
from sidecar.streams.progress import with_progress


def run_classify(policy: Path | None, model: Path | None, threads: int | None) -> None:
    """Raises InputError, ClassifierFailedError and OSError."""
    setup = load_setup(policy, model)
    lines = classify_lines(_standard_input(), setup, threads or available_processors())
    # On a terminal that shows the lines themselves, these are progress enough.
    for line in with_progress(lines, None if os.isatty(1) else _terminal()):
        sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()


def run_calibrate(
    policy: Path | None, model: Path | None, threads: int | None, target: Target, *, is_json: bool
) -> None:
    """Raises InputError, ClassifierFailedError and OSError."""
    setup = load_setup(policy, model)
    entries = read_entries(read_lines(_standard_input()), setup, target, threads or available_processors())
    calibration = calibrate(with_progress(entries, _terminal()), setup.tier_rule.difficulty, target)
    sys.stdout.write(as_json(calibration) if is_json else render(calibration))
    sys.stdout.flush()


def _standard_input() -> BinaryIO:
    """A reader of our own: Python aborts at exit while a thread still waits inside `sys.stdin`."""
    if sys.stdin is None or sys.stdout is None:  # closed by the shell, and the number may be another file's by now
        raise InputError("standard input and output have to be open")
    return open(0, "rb", closefd=False)


def _terminal() -> TextIO | None:
    return sys.stderr if os.isatty(2) else None
