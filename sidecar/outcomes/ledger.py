"""The ledger: puts together what workers and Envoy say of one request, and hands on the request record.

What is said comes in any order, and some of it never. Nothing is kept for long: a request is finished when all of it
is there, and else when its time is up.
"""

import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence

from sidecar.outcomes.entries import DECISION_ID, RECORD, AttemptEntry, EdgeEntry
from sidecar.routing.api import find_endpoint
from sidecar.routing.notice import DecisionNotice
from sidecar.routing.outcome import Attempt
from sidecar.routing.request_record import LoggedDecision, PolicyOf, RecordObserver, build_request_record

_log = logging.getLogger("sidecar")

# Envoy sends what it has once a second, and its threads do that at different times.
_SECONDS_FOR_THE_REST = 3.0

# Streams are long, and Envoy sets them no limit. The few that take longer count as unknown, and come late.
_SECONDS_FOR_THE_OUTCOME = 900.0

# Envoy connects only when a first request is over, so there may be one even where none is connected. Only where a
# request was waited for in vain, none is going to say anything.
_SECONDS_UNFED = 60.0

_MOST_OPEN = 10_000

# Enough for what comes late, seconds later, at a thousand requests per second.
_MOST_FINISHED = 20_000

# Envoy's retries are a handful.
_MOST_ATTEMPTS = 32


class _Request:
    """What is known so far."""

    __slots__ = ("attempts", "edge", "notice", "since")

    def __init__(self, since: float) -> None:
        self.since = since
        """When its time began to run."""
        self.notice: DecisionNotice | None = None
        self.edge: EdgeEntry | None = None
        self.attempts: list[Attempt] = []

    def is_complete(self) -> bool:
        edge = self.edge
        if edge is None or len(self.attempts) < edge.outcome.attempts:
            return False
        return self.notice is not None or edge.decision_id is None


class Ledger:
    """Every request once, joined by its decision id, or by Envoy's request id if there was no decision.

    The same cost for each entry, however many requests are open.
    """

    def __init__(
        self,
        policy_of: PolicyOf,
        observers: Sequence[RecordObserver],
        *,
        is_fed: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`is_fed`: whether any Envoy's log is connected. `clock`: seconds."""
        self._policy_of = policy_of
        self._observers = observers
        self._is_fed = is_fed
        self._clock = clock
        self._running: OrderedDict[str, _Request] = OrderedDict()
        """Those that Envoy has not ended yet, oldest first."""
        self._ended: OrderedDict[str, _Request] = OrderedDict()
        """Those of which something else is still to come; oldest end first."""
        self._finished: OrderedDict[str, bool] = OrderedDict()
        """Of late, and whether there is a record of it."""
        self._is_hopeful = True
        """Whether an Envoy whose log is not connected may still be going to."""
        self._broken: set[int] = set()
        """Observers that have raised."""
        self.evicted = 0
        """Requests that were finished before their time, for room."""
        self.late = 0
        """Notices and entries of requests that were finished already."""
        self.unmatched = 0
        """Attempts at requests of which nothing else was heard."""

    @property
    def open(self) -> int:
        """Requests of which something is still to come."""
        return len(self._running) + len(self._ended)

    def add_notice(self, notice: DecisionNotice) -> None:
        """Of a worker."""
        key = notice.decision_id
        if self._is_late(key):
            return
        request = self._find(key)
        request.notice = notice
        self._settle(key, request)

    def add_edge(self, entry: EdgeEntry) -> None:
        """The request is over."""
        self._is_hopeful = True
        key = entry.decision_id or _key_of_undecided(entry.request_id)
        if self._is_late(key):
            return
        if entry.decision_id is None and not _is_bypass(entry):
            self._running.pop(key, None)
            self._remember(key, has_record=False)
            return
        request = self._find(key)
        if request.edge is not None:  # said twice
            self.late += 1
            return
        request.edge, request.since = entry, self._clock()
        del self._running[key]
        self._ended[key] = request
        self._settle(key, request)

    def add_attempt(self, entry: AttemptEntry) -> None:
        """One attempt is over."""
        self._is_hopeful = True
        key = entry.decision_id or _key_of_undecided(entry.request_id)
        if self._is_late(key):
            return
        request = self._find(key)
        if len(request.attempts) < _MOST_ATTEMPTS:
            request.attempts.append(entry.attempt)
        self._settle(key, request)

    def tick(self) -> None:
        """Finish those whose time is up; to be called about every second."""
        now = self._clock()
        self._expire(self._ended, now - _SECONDS_FOR_THE_REST)
        patience = _SECONDS_FOR_THE_OUTCOME if self._is_hopeful or self._is_fed() else _SECONDS_UNFED
        self._expire(self._running, now - patience)

    def close(self) -> None:
        """Finish all."""
        now = self._clock()
        self._expire(self._ended, now)
        self._expire(self._running, now)

    def _find(self, key: str) -> _Request:
        """The open one, or a new one."""
        request = self._running.get(key) or self._ended.get(key)
        if request is None:
            if self.open >= _MOST_OPEN:
                self._evict()
            request = self._running[key] = _Request(self._clock())
        return request

    def _evict(self) -> None:
        """One that has ended, if there is any: its record will lack the least."""
        key, request = (self._ended or self._running).popitem(last=False)
        self.evicted += 1
        self._finish(key, request)

    def _expire(self, requests: OrderedDict[str, _Request], before: float) -> None:
        while requests:
            key, request = next(iter(requests.items()))
            if request.since > before:
                return
            del requests[key]
            self._finish(key, request)

    def _settle(self, key: str, request: _Request) -> None:
        if request.is_complete():
            del self._ended[key]
            self._finish(key, request)

    def _is_late(self, key: str) -> bool:
        has_record = self._finished.get(key)
        if has_record:
            self.late += 1
        return has_record is not None

    def _remember(self, key: str, *, has_record: bool) -> None:
        self._finished[key] = has_record
        if len(self._finished) > _MOST_FINISHED:
            self._finished.popitem(last=False)

    def _finish(self, key: str, request: _Request) -> None:
        notice, edge = request.notice, request.edge
        if edge is None and not self._is_fed():
            self._is_hopeful = False
        has_record = notice is not None or edge is not None
        self._remember(key, has_record=has_record)
        if not has_record:
            self.unmatched += len(request.attempts)
            return
        record = build_request_record(
            notice,
            edge.outcome if edge is not None else None,
            sorted(request.attempts, key=_start),
            self._policy_of,
            logged=_logged(edge),
        )
        for index, observer in enumerate(self._observers):
            try:
                observer.observe_record(record)
            except Exception:  # noqa: BLE001  # one that is broken must not take the others down
                if index not in self._broken:
                    self._broken.add(index)
                    _log.exception("%s failed, and is not logged again", type(observer).__name__)


def _key_of_undecided(request_id: str) -> str:
    """No decision id has a space."""
    return f"request {request_id}"


def _is_bypass(entry: EdgeEntry) -> bool:
    """Whether it was one for the router, and went on without."""
    return bool(entry.outcome.attempts) and find_endpoint(entry.method, entry.path) is not None


def _start(attempt: Attempt) -> int:
    return attempt.started_unix_nanos


def _logged(edge: EdgeEntry | None) -> LoggedDecision | None:
    if edge is None or edge.decision_id is None:
        return None
    decision = edge.decision or {}
    return LoggedDecision(decision[DECISION_ID], decision.get(RECORD, "").encode())
