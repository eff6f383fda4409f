"""The worker's end: says what was decided, and how the worker is, and never waits for anybody."""

import asyncio
import contextlib
import os
import socket
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from sidecar.notices.channel import LONGEST_NOTICE, encode
from sidecar.routing.decision import Decision
from sidecar.routing.exchange import Exchange
from sidecar.routing.notice import DecisionNotice, ShadowDecision, WorkerNotice
from sidecar.routing.rejection import RejectedError
from sidecar.routing.router import Routed

_SECONDS_BETWEEN_SIGNS = 1.0

# What is kept while the collector is busy or being restarted: a few megabytes at the most.
_MOST_UNSENT = 4_096

_LONGEST_ERROR = 256


@dataclass(frozen=True, slots=True)
class WorkerState:
    """What a worker says of itself."""

    why_not_ready: str | None
    policy: str = ""
    classifier: str = ""
    waiting: int = 0
    cache_entries: int = 0


class NoticeSender:
    """An ExchangeObserver and a ReloadObserver that tells the collector.

    What cannot be sent at once is kept, up to a limit; what is lost is counted.
    """

    def __init__(
        self,
        channel: socket.socket,
        worker: int,
        describe: Callable[[], WorkerState],
        sample: Callable[[str, str], str | None],
    ) -> None:
        """`channel`: the sending end, not blocking. `sample`: from a decision id and its prompt to what may be kept
        of it.
        """
        self._channel = channel
        self._worker = worker
        self._describe = describe
        self._sample = sample
        self._sequence = 0
        self._has_failed_to_reload = False
        self._unsent: deque[bytes] = deque()
        self._lost = 0

    def observe(self, exchange: Exchange) -> None:
        """One message, after Envoy has its answer."""
        result, request = exchange.result, exchange.request
        classification = result.classification if isinstance(result, Decision) else None
        self._send(
            DecisionNotice(
                worker=self._worker,
                sequence=self._next(),
                decision_id=exchange.decision_id,
                started_unix_nanos=exchange.started_unix_nanos,
                endpoint=exchange.endpoint,
                trace_headers=dict(exchange.trace_headers),
                parse_seconds=exchange.parse_seconds,
                classify_seconds=exchange.classify_seconds,
                decide_seconds=exchange.decide_seconds,
                record=exchange.record,
                classifier=exchange.classifier_version,
                is_cached=classification is not None and classification.cached,
                error=_error_of(exchange),
                shadows=tuple([_describe_shadow(shadow, result) for shadow in exchange.shadows]),
                prompt=self._sample(exchange.decision_id, request.prompt) if request is not None else None,
            )
        )

    def observe_reload(self, policy_hash: str, *, succeeded: bool) -> None:
        """At once, not with the next sign of life."""
        self._has_failed_to_reload = not succeeded
        self.tell("ok" if succeeded else "failed")

    def tell(self, reload: Literal["ok", "failed"] | None = None) -> None:
        """How the worker is now."""
        state = self._describe()
        self._send(
            WorkerNotice(
                worker=self._worker,
                sequence=self._next(),
                pid=os.getpid(),
                why_not_ready=state.why_not_ready,
                policy=state.policy,
                classifier=state.classifier,
                waiting=state.waiting,
                cache_entries=state.cache_entries,
                reload=reload,
                has_failed_to_reload=self._has_failed_to_reload,
                lost=self._lost,
            )
        )

    async def tell_on_and_on(self) -> None:
        """A sign of life every second, until it is cancelled."""
        while True:
            self.tell()
            await asyncio.sleep(_SECONDS_BETWEEN_SIGNS)

    def _next(self) -> int:
        self._sequence += 1
        return self._sequence - 1

    def _send(self, notice: DecisionNotice | WorkerNotice) -> None:
        message = encode(notice)
        if len(message) > LONGEST_NOTICE or len(self._unsent) >= _MOST_UNSENT:
            self._lost += 1
        elif self._unsent:
            self._unsent.append(message)
        elif not self._try(message):
            self._unsent.append(message)
            asyncio.get_running_loop().add_writer(self._channel, self._send_more)

    def _send_more(self) -> None:
        while self._unsent and self._try(self._unsent[0]):
            self._unsent.popleft()
        if not self._unsent:
            asyncio.get_running_loop().remove_writer(self._channel)

    def _try(self, message: bytes) -> bool:
        """False if there is no room for it now."""
        with contextlib.suppress(ConnectionError):  # nobody will ever listen again: we are about to leave, too
            try:
                self._channel.send(message)
            except BlockingIOError:
                return False
        return True


def _error_of(exchange: Exchange) -> str | None:
    if isinstance(exchange.result, RejectedError):
        return exchange.result.message[:_LONGEST_ERROR]
    return None if exchange.failure is None else str(exchange.failure)[:_LONGEST_ERROR]


def _describe_shadow(shadow: Routed, active: Decision | RejectedError) -> ShadowDecision:
    model = _first(shadow.result)
    return ShadowDecision(policy=shadow.policy_hash, model=model, agrees=model == _first(active))


def _first(result: Decision | RejectedError) -> str | None:
    """Which model answers first; None for a rejection."""
    return result.model.name if isinstance(result, Decision) else None
