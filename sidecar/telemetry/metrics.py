"""All metrics, in Prometheus' text format, and wherever else readers take them."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields

from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.metrics import CallbackOptions, Meter, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader
from opentelemetry.sdk.resources import Resource
from prometheus_client import CollectorRegistry, generate_latest

from sidecar.routing.notice import DecisionNotice, WorkerNotice
from sidecar.routing.request_record import RequestRecord
from sidecar.telemetry.decision_metrics import DecisionMetrics
from sidecar.telemetry.outcome_metrics import OutcomeMetrics

_RELOAD_RESULTS = ("ok", "failed")

# They give a sign of life every second.
_SILENCE_SECONDS = 4.0

_Observe = Callable[[CallbackOptions], Iterable[Observation]]


@dataclass(frozen=True, slots=True)
class CollectorCounts:
    """What the collector could not do as it should, so far."""

    notices_lost: int = 0
    """Decisions that no worker could tell of."""
    outcomes_late: int = 0
    """Entries of requests that had been given up."""
    outcomes_evicted: int = 0
    """Requests given up for want of room."""
    attempts_unmatched: int = 0
    """Attempts at requests of which nothing else was heard."""
    entries_malformed: int = 0
    """Messages of Envoy's log that could not be read."""
    records_dropped: int = 0
    """Records that could not be written."""


@dataclass(slots=True)
class _Worker:
    """What one last said of itself."""

    notice: WorkerNotice
    heard: float


class RouterMetrics:
    """A RecordObserver; every label has a closed set of values, or the policy's names, or a bound."""

    def __init__(
        self,
        most_tenants: int = 0,
        readers: Sequence[MetricReader] = (),
        *,
        resource: Resource | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`most_tenants`: how many get a label of their own; with 0 there is no such label. `readers`, `resource`:
        who else takes the metrics, and what it is told of this process. `clock`: seconds.
        """
        self._registry = CollectorRegistry()
        prometheus = PrometheusMetricReader(
            disable_target_info=True, registry=self._registry, scope_info_enabled=False
        )
        self._provider = MeterProvider(
            [prometheus, *readers], resource=resource or Resource.get_empty(), shutdown_on_exit=False
        )
        self._clock = clock
        self._meter = self._provider.get_meter("sidecar")
        self._decisions = DecisionMetrics(self._meter)
        self._outcomes = OutcomeMetrics(self._meter, most_tenants)
        self._reloads = self._meter.create_counter(
            "llm.router.policy.reloads", description="Policy reloads, by result; each worker's is one."
        )
        for result in _RELOAD_RESULTS:
            self._reloads.add(0, {"result": result})  # else the first one would be no increase
        self._workers: dict[int, _Worker] = {}
        self._observe_workers(self._meter)

    def observe_notice(self, notice: DecisionNotice | WorkerNotice) -> None:
        """One more decision, or how a worker is."""
        if isinstance(notice, DecisionNotice):
            self._decisions.observe(notice)
        else:
            self._observe_worker(notice)

    def observe_record(self, record: RequestRecord) -> None:
        """One more request is over."""
        self._outcomes.observe(record)

    def observe_collector(self, counts: Callable[[], CollectorCounts], open_requests: Callable[[], int]) -> None:
        """Ask for these whenever somebody asks for metrics."""

        def observe(_options: CallbackOptions) -> Iterable[Observation]:
            now = counts()
            return [Observation(getattr(now, field.name), {"what": field.name}) for field in fields(CollectorCounts)]

        self._meter.create_observable_counter(
            "llm.router.collector.losses",
            [observe],
            description="What the collector lost or gave up, by what it was.",
        )
        self._meter.create_observable_gauge(
            "llm.router.requests.open",
            [lambda _options: [Observation(open_requests())]],
            description="Requests of whose decision or outcome something is still to come.",
        )

    def observe_readiness(self, why_not_ready: Callable[[], str | None]) -> None:
        """Ask for it whenever somebody asks for metrics; None: ready."""
        self._meter.create_observable_gauge(
            "llm.router.ready",
            [lambda _options: [Observation(int(why_not_ready() is None))]],
            description="1 if every worker would decide a request now, as `/readyz` says.",
        )

    def render(self) -> bytes:
        """All of them, as they are now."""
        return generate_latest(self._registry)

    def close(self) -> None:
        """Whoever else takes the metrics gets the last ones; may take as long as it takes to send them."""
        self._provider.shutdown()

    def _observe_worker(self, notice: WorkerNotice) -> None:
        if notice.reload is not None:
            self._reloads.add(1, {"result": notice.reload})
        self._workers[notice.worker] = _Worker(notice, self._clock())

    def _observe_workers(self, meter: Meter) -> None:
        meter.create_observable_gauge(
            "llm.router.worker.ready",
            [self._of_each(lambda worker: self._is_alive(worker) and worker.notice.why_not_ready is None)],
            description="1 if the worker would decide a request now.",
        )
        meter.create_observable_gauge(
            "llm.router.queue.waiting",
            [self._of_each(lambda worker: worker.notice.waiting if self._is_alive(worker) else 0)],
            description="Prompts that wait for a thread of the classifier.",
        )
        meter.create_observable_gauge(
            "llm.router.cache.entries",
            [self._of_each(lambda worker: worker.notice.cache_entries if self._is_alive(worker) else 0)],
            description="Classifications that are remembered.",
        )
        meter.create_observable_gauge(
            "llm.router.policy.last_reload.successful",
            [self._of_each(lambda worker: not worker.notice.has_failed_to_reload)],
            description="0 if the worker goes on with an older policy because the file has a mistake.",
        )
        meter.create_observable_gauge(
            "llm.router.policy.info",
            [self._in_use("policy", lambda notice: notice.policy)],
            description="1, with the hash of the policy in use; two while workers change to a new one.",
        )
        meter.create_observable_gauge(
            "llm.router.classifier.info",
            [self._in_use("version", lambda notice: notice.classifier)],
            description="1, with the version of the classifier in use.",
        )

    def _is_alive(self, worker: _Worker) -> bool:
        return self._clock() - worker.heard < _SILENCE_SECONDS

    def _of_each(self, value: Callable[[_Worker], int]) -> _Observe:
        return lambda _options: [
            Observation(int(value(worker)), {"worker": str(number)}) for number, worker in [*self._workers.items()]
        ]

    def _in_use(self, label: str, name: Callable[[WorkerNotice], str]) -> _Observe:
        def observe(_options: CallbackOptions) -> Iterable[Observation]:
            names = {name(worker.notice) for worker in [*self._workers.values()] if self._is_alive(worker)}
            return [Observation(1, {label: each}) for each in sorted(names - {""})]

        return observe
