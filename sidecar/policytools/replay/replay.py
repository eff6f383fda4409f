"""A log, decided again: from lines to a summary of what another policy would have decided."""

import asyncio
import gc
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Self

from sidecar.config.compile import load_config
from sidecar.config.running import Config
from sidecar.policytools.calls import Call, decide_call, default_path
from sidecar.policytools.loading import routers_of
from sidecar.policytools.replay.decide import Grounds, OutcomeMaker, RecordDecider, grounds_of
from sidecar.policytools.replay.entries import Entry, EntryReader
from sidecar.policytools.replay.on_record import NotOnRecordError
from sidecar.policytools.replay.summary import Change, Outcome, Summary
from sidecar.routing.router import Router

# Texts among them are classified side by side; more would only wait.
_LINES_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Replay:
    """What is compared: a policy with what was decided, or with another policy. It may be sent to other processes."""

    policy: Path
    against: Path | None = None
    """None: with what was decided."""
    threads: int | None = None
    """For texts; None: the processors available."""
    now: datetime | None = None
    """When lines without a time came; None: now."""

    def check(self) -> None:
        """Raises ConfigError."""
        for file in filter(None, (self.policy, self.against)):
            load_config(file)

    def open(self) -> "OpenReplay":
        """Raises ConfigError."""
        new = load_config(self.policy)
        old = None if self.against is None else load_config(self.against)
        return OpenReplay(new, old, self.threads, self.now or datetime.now(UTC))


@cache
def opened(replay: Replay) -> "OpenReplay":
    """Opened once in each process that takes part in it, and open to its end. Raises ConfigError."""
    return replay.open()


class OpenReplay:
    """Policies, and the classifier once there is a text; to be closed."""

    def __init__(self, new: Config, old: Config | None, threads: int | None, now: datetime) -> None:
        self._configs = [new] if old is None else [new, old]
        self._threads = threads
        self._reader = EntryReader(next(iter(new.policy.virtual_models), "auto"), default_path(new.policy), now)
        self._now = now
        policies = [config.policy for config in self._configs]
        self._deciders = [RecordDecider(policy, policies, now) for policy in policies]
        self._makers = [OutcomeMaker(policy) for policy in policies]
        self._stack = ExitStack()
        self._opened: list[Router] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()

    def summarise(
        self, lines: Iterable[bytes], *, first_line: int = 1, tell: Callable[[Change], object] = lambda change: None
    ) -> Summary:
        """`tell` is told of every change, in the order of the lines.

        Raises InputError if there is a text and the model cannot be loaded.
        """
        summary = Summary()
        numbered = enumerate(lines, first_line)
        with _uncollected():
            while some := list(islice(numbered, _LINES_AT_ONCE)):
                self._add(some, summary, tell)
        return summary

    def _add(self, lines: Iterable[tuple[int, bytes]], summary: Summary, tell: Callable[[Change], object]) -> None:
        entries = self._read(lines, summary)
        answers = self._answers([entry.call for _, entry in entries if entry.call is not None])
        for line, entry in entries:
            try:
                old, new = self._outcomes_of_call(entry, next(answers)) if entry.call else self._outcomes_of(entry)
            except NotOnRecordError as error:
                summary.lack(error.what)
                continue
            if entry.call is None and entry.record is not None:
                summary.assume(self._deciders[0].assumed(entry.record))
            if summary.count(old, new) and old is not None:
                change = Change(line, entry.decision_id, old, new)
                summary.keep(change)
                tell(change)

    def _read(self, lines: Iterable[tuple[int, bytes]], summary: Summary) -> list[tuple[int, Entry]]:
        entries = []
        for number, written in lines:
            if written.isspace() or not written:
                continue
            summary.lines += 1
            try:
                entry = self._reader.read(written)
            except ValueError as error:
                summary.fault(number, str(error))
                continue
            if entry is None:
                summary.passed += 1
            else:
                entries.append((number, entry))
        return entries

    def _outcomes_of(self, entry: Entry) -> tuple[Outcome | None, Outcome]:
        """Of a record alone."""
        record = entry.record
        assert record is not None  # noqa: S101  # an entry has one or the other
        grounds = grounds_of(record, entry.received or self._now)
        if grounds is None:
            then = self._makers[0].of_record(record)
            return then, then
        return self._old_outcome(grounds), self._deciders[0].decide(grounds)

    def _old_outcome(self, grounds: Grounds) -> Outcome:
        """By the other policy, if there is one; where that is the one that decided, it need not decide again."""
        _, *against = self._configs
        if not against or grounds.record.policy == against[0].policy.hash:
            return self._makers[-1].of_record(grounds.record)
        return self._deciders[1].decide(grounds)

    def _outcomes_of_call(self, entry: Entry, answered: Sequence[Outcome]) -> tuple[Outcome | None, Outcome]:
        new, *old = answered
        if old:
            return old[0], new
        return (None if entry.record is None else self._makers[0].of_record(entry.record)), new

    def _answers(self, calls: Sequence[Call]) -> Iterator[list[Outcome]]:
        return iter(asyncio.run(self._answer_all(calls)) if calls else ())

    async def _answer_all(self, calls: Sequence[Call]) -> list[list[Outcome]]:
        return await asyncio.gather(*map(self._answer, calls))

    async def _answer(self, call: Call) -> list[Outcome]:
        """One policy after the other: the second finds the classification in the first one's cache."""
        return [
            maker.of_answer(await decide_call(router, call))
            for router, maker in zip(self._routers(), self._makers, strict=True)
        ]

    def _routers(self) -> list[Router]:
        if self._opened is None:
            self._opened = self._stack.enter_context(routers_of(self._configs, self._threads))
        return self._opened


@contextmanager
def _uncollected() -> Iterator[None]:
    """Lines leave no cycles behind, and to look for some takes a quarter of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
