"""Wires the collector together: what workers say and what Envoy's log says, made into records, metrics and spans."""

import asyncio
import logging
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sidecar.config.compile import Config
from sidecar.config.document import ConfigError
from sidecar.config.loaded import LoadedPolicy, load_policy
from sidecar.console.guard import WeakTokenError
from sidecar.console.live import LiveRequests
from sidecar.console.policy_view import PolicyView
from sidecar.console.server import ConsoleServer, ExplainError
from sidecar.extproc.client import Explained, WorkerClient, WorkerUnreachableError
from sidecar.lifecycle import run_service
from sidecar.notices.board import WorkerBoard
from sidecar.notices.receiver import NoticeReceiver
from sidecar.otlp import OtlpSettingsError, build_resource
from sidecar.outcomes.ledger import Ledger
from sidecar.outcomes.service import AccessLogServer
from sidecar.records.log import RecordLog
from sidecar.routing.notice import DecisionNotice, WorkerNotice
from sidecar.routing.policy import Policy
from sidecar.routing.request_record import RecordObserver
from sidecar.telemetry.metrics import CollectorCounts, RouterMetrics
from sidecar.telemetry.metrics_export import build_metric_readers
from sidecar.telemetry.tracing import DecisionTracer, build_tracer_provider

_log = logging.getLogger("sidecar")

_SECONDS_BETWEEN_TICKS = 1.0

# Envoy writes its log once a second: what has just ended is still to come.
_LAST_ENTRIES_SECONDS = 1.2

# Requests under way end by the policy they began with, and their outcomes come later still.
_POLICIES_KEPT = 8


@dataclass(frozen=True, slots=True)
class CollectOptions:
    """What the command line says about collecting."""

    policy: Path
    loaded: LoadedPolicy
    """What that file said when everything started: a mistake that is made in it later takes down no collector."""
    address: str
    """Where Envoy's access log service reaches us: the path of a Unix socket, or `host:port`."""
    http_host: str
    http_port: int
    notices: socket.socket
    """Where workers tell of decisions: the receiving end of a channel."""
    workers: tuple[str, ...]
    """Where each of them is asked."""
    trace_url: str | None = None
    """Where a trace can be seen, with `{trace_id}` in it."""
    tenant_labels: int = 0
    """How many tenants get a label of their own in metrics."""


def collect(options: CollectOptions) -> None:
    """Collect until SIGTERM or SIGINT. Raises lifecycle.StartError."""
    run_service(lambda: _Collector(options, os.environ), (OtlpSettingsError, WeakTokenError))


class _Policies:
    """Those in use of late, by hash."""

    def __init__(self, file: Path, first: LoadedPolicy) -> None:
        self._file = file
        self._known: dict[str, Policy] = {}
        self.config: Config
        self.view: PolicyView
        self._use(first)

    def load(self) -> None:
        """Raises ConfigError, and leaves everything as it was."""
        self._use(load_policy(self._file))

    def _use(self, loaded: LoadedPolicy) -> None:
        policy = loaded.config.policy
        self.config, self.view = loaded.config, PolicyView(policy, loaded.written)
        self._known.pop(policy.hash, None)
        self._known[policy.hash] = policy
        if len(self._known) > _POLICIES_KEPT:
            del self._known[next(iter(self._known))]

    @property
    def known(self) -> set[str]:
        """Their hashes."""
        return set(self._known)

    def find(self, policy_hash: str) -> Policy:
        """The one in use, if that one is no longer known."""
        return self._known.get(policy_hash) or self.config.policy


class _Collector:
    """All parts of the process."""

    def __init__(self, options: CollectOptions, environment: Mapping[str, str]) -> None:
        self._options = options
        self._policies = _Policies(options.policy, options.loaded)
        self._board = WorkerBoard(len(options.workers))
        self._is_leaving = False
        self._tracing = build_tracer_provider(environment)
        self._tracer: DecisionTracer | None = None
        if self._tracing is not None:
            self._tracer = DecisionTracer(self._tracing.get_tracer("sidecar"), self._policies.find)
        self._metrics = RouterMetrics(
            options.tenant_labels, build_metric_readers(environment), resource=build_resource(environment)
        )
        self._records = RecordLog(self._policies.config.records, environment)
        self._live = LiveRequests()
        self._ledger = Ledger(self._policies.find, self._record_observers(), is_fed=self._is_fed)
        self._log_service = AccessLogServer(
            options.address, on_edge=self._ledger.add_edge, on_attempt=self._ledger.add_attempt
        )
        self._metrics.observe_collector(self._count, lambda: self._ledger.open)
        self._metrics.observe_readiness(self._why_not_ready)
        self._notices = NoticeReceiver(options.notices, self._take_decision, self._take_worker)
        self._worker = WorkerClient(options.workers[0])
        self._console = ConsoleServer(
            options.http_host,
            options.http_port,
            why_not_ready=self._why_not_ready,
            has_older_policy=lambda: self._board.has_older_policy,
            pids=lambda: self._board.pids,
            render_metrics=self._metrics.render,
            live=self._live,
            explain=self._explain,
            describe_policy=lambda: self._policies.view,
            write_feedback=self._records.write_feedback,
            token=environment.get("SIDECAR_CONSOLE_TOKEN"),
            trace_url=options.trace_url,
        )
        self._ticking: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen for people first, then for Envoy and for workers."""
        await self._console.start()
        await self._log_service.start()
        self._notices.start()
        self._ticking = asyncio.create_task(self._tick_on_and_on())
        _log.info("console at http://%s:%d", self._options.http_host, self._options.http_port)

    async def stop(self) -> None:
        """When the workers have gone: what is still on its way from Envoy is waited for."""
        self._is_leaving = True
        if self._ticking is not None:
            self._ticking.cancel()
            self._notices.stop()
            if self._ledger.open:
                await asyncio.sleep(_LAST_ENTRIES_SECONDS)
        await self._log_service.stop()
        self._ledger.close()
        await self._console.stop()
        await self._worker.close()
        await asyncio.to_thread(self._records.close)
        await asyncio.to_thread(self._metrics.close)
        if self._tracing is not None:
            await asyncio.to_thread(self._tracing.shutdown)

    def reload(self) -> None:
        """Nothing to do: it follows the workers."""

    def _record_observers(self) -> list[RecordObserver]:
        observers: list[RecordObserver] = [self._metrics, self._records, self._live]
        return observers if self._tracer is None else [*observers, self._tracer]

    def _take_decision(self, notice: DecisionNotice) -> None:
        self._metrics.observe_notice(notice)
        if self._tracer is not None:
            self._tracer.observe_notice(notice)
        self._ledger.add_notice(notice)

    def _take_worker(self, notice: WorkerNotice) -> None:
        self._board.put(notice)
        self._metrics.observe_notice(notice)

    def _count(self) -> CollectorCounts:
        return CollectorCounts(
            notices_lost=self._notices.lost,
            outcomes_late=self._ledger.late,
            outcomes_evicted=self._ledger.evicted,
            attempts_unmatched=self._ledger.unmatched,
            entries_malformed=self._log_service.malformed,
            records_dropped=self._records.dropped,
        )

    def _is_fed(self) -> bool:
        return self._log_service.streams > 0

    def _why_not_ready(self) -> str | None:
        return "draining" if self._is_leaving else self._board.why_not_ready()

    async def _explain(self, path: str, headers: Mapping[str, str], body: bytes) -> Explained:
        try:
            return await self._worker.explain(path, headers, body)
        except WorkerUnreachableError as error:
            raise ExplainError(str(error)) from error

    async def _tick_on_and_on(self) -> None:
        while True:
            await asyncio.sleep(_SECONDS_BETWEEN_TICKS)
            self._ledger.tick()
            await self._follow_workers()

    async def _follow_workers(self) -> None:
        """They have read a policy that is not known here: read it, too."""
        if self._board.policies <= self._policies.known:
            return
        try:
            await asyncio.to_thread(self._policies.load)
        except ConfigError as error:  # it was edited again; the workers say so where it counts
            _log.debug("not the policy that the workers read: %s", error)
        else:
            self._records.use(self._policies.config.records)
