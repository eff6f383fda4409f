"""The commands, put together: from options to an exit code."""

import asyncio
import dataclasses
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from sidecar.config.compile import load_config
from sidecar.config.tests_file import load_tests
from sidecar.policytools.explain.explanation import explain
from sidecar.policytools.explain.render import render as render_explanation
from sidecar.policytools.explain.request import Sender, read_call
from sidecar.policytools.loading import routers_of
from sidecar.policytools.printing import write_json, write_text
from sidecar.policytools.replay import report as replay_report
from sidecar.policytools.replay.parallel import replay_chunks
from sidecar.policytools.replay.plot import check_plot, plot
from sidecar.policytools.replay.replay import Replay
from sidecar.policytools.replay.summary import Summary
from sidecar.policytools.screen import screen_of
from sidecar.policytools.testing import report
from sidecar.policytools.testing.junit import junit_xml
from sidecar.policytools.testing.run import run_tests
from sidecar.processors import available_processors
from sidecar.routing.router import Routers
from sidecar.streams.lines import InputError
from sidecar.streams.progress import with_progress
from sidecar.streams.source import Source, open_source

# A process takes about a second to start; so much of a log takes as long to decide.
_BYTES_WORTH_A_PROCESS = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class ExplainOptions:
    """Which request is to be explained."""

    policy: Path
    request: str
    """A prompt, a file with a request as JSON, or `-` for standard input."""
    model: str | None = None
    path: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    """Names in lower case."""
    at: datetime | None = None
    """None: now."""
    as_json: bool = False


def run_explain(options: ExplainOptions) -> int:
    """Raises InputError and ConfigError."""
    config = load_config(options.policy)
    shadows = [load_config(file) for file in config.shadow]
    sender = Sender(options.model, options.path, options.headers, options.at or datetime.now(UTC))
    call = read_call(options.request, config.policy, sender, sys.stdin.buffer.read)
    with routers_of([config, *shadows]) as (active, *others):
        explanation = asyncio.run(explain(config, Routers(active, tuple(others)), call))
    if options.as_json:
        write_json(explanation.as_json())
    else:
        write_text(render_explanation(explanation, screen_of(sys.stdout)))
    return 0


@dataclass(frozen=True, slots=True)
class TestOptions:
    """Which tests are to be run."""

    policy: Path
    tests: Path | None = None
    """A file with other tests than the policy's."""
    junit: Path | None = None
    """Where to write a JUnit report."""
    as_json: bool = False


def run_test(options: TestOptions) -> int:
    """1 if a test fails. Raises InputError, ConfigError and OSError."""
    config = load_config(options.policy)
    file = options.tests or options.policy
    tests = load_tests(file, options.policy, config) if options.tests else config.tests
    if not tests:
        raise InputError(f"{file}: tests: expected at least one, such as {{prompt: hi, expect: {{tier: simple}}}}")
    now = datetime.now(UTC)
    with routers_of([config]) as (router,):
        results = asyncio.run(run_tests(router, tests, now))
    if options.junit is not None:
        options.junit.write_bytes(junit_xml(file, results, now))
    if options.as_json:
        write_json(report.as_json(file, results))
    else:
        write_text(report.render(file, results, screen_of(sys.stdout)))
    return 0 if all(result.has_passed for result in results) else 1


@dataclass(frozen=True, slots=True)
class ReplayOptions:
    """Which log is to be decided again, and how."""

    log: Path
    """JSON Lines, perhaps compressed; `-` for standard input."""
    policy: Path
    against: Path | None = None
    """None: compare with what was decided."""
    changes: Path | None = None
    """Where to write every change."""
    plot: Path | None = None
    """Where to draw the shares."""
    processes: int | None = None
    """None: as many as the log is worth and there are processors."""
    is_strict: bool = False
    """A line that cannot be read ends it."""
    as_json: bool = False


def run_replay(options: ReplayOptions) -> int:
    """Raises InputError, ConfigError and OSError."""
    if options.plot is not None:
        check_plot(options.plot)
    replay = Replay(options.policy, options.against, now=datetime.now(UTC))
    replay.check()
    with open_source(options.log) as source, ExitStack() as stack:
        changes = stack.enter_context(options.changes.open("wb")) if options.changes is not None else None
        summary = _replay(source, replay, options, changes)
    if options.as_json:
        write_json(replay_report.as_json(summary))
    else:
        write_text(replay_report.render(summary, screen_of(sys.stdout)))
    if options.plot is not None:
        plot(summary, options.plot)
    return 0


def _replay(source: Source, replay: Replay, options: ReplayOptions, changes: BinaryIO | None) -> Summary:
    available = available_processors()
    worth = available if source.size is None else max(1, source.size // _BYTES_WORTH_A_PROCESS)
    processes = options.processes or min(available, worth)
    done = replay_chunks(
        source.chunks(),
        dataclasses.replace(replay, threads=max(1, available // processes)),
        processes,
        all_changes=changes is not None,
    )
    terminal = sys.stderr if sys.stderr.isatty() else None
    summary = Summary()
    for each in with_progress(
        done, terminal, unit="lines", size=lambda each: each.summary.lines, share=source.share_read
    ):
        if options.is_strict and each.summary.first_broken:
            line, fault = each.summary.first_broken[0]
            raise InputError(f"{source.place(line)}: {fault}")
        summary += each.summary
        if changes is not None:
            changes.write(each.changes)
    return summary
