"""Metrics of a router that has seen everything, and what Prometheus reads of metrics."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from sidecar.routing.notice import ShadowDecision, WorkerNotice
from sidecar.routing.outcome import Usage
from sidecar.routing.request_record import RequestRecord, build_request_record
from sidecar.telemetry.metrics import CollectorCounts, RouterMetrics
from tests.fakes.live_requests import Traffic, read_policy
from tests.fakes.outcomes import attempt, notice_of, outcome, record_of
from tests.fakes.policies import ladder

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)

USAGE = Usage(input_tokens=1_000, output_tokens=500)


@dataclass(frozen=True, slots=True)
class Family:
    """One metric."""

    name: str
    """With the end that its samples have."""
    kind: str
    description: str
    labels: frozenset[str]


def counts(metrics: RouterMetrics, name: str) -> dict[tuple[str, ...], float]:
    """The samples of that name, by the values of their labels, in the order of the labels' names."""
    samples = [
        sample
        for family in text_string_to_metric_families(metrics.render().decode())
        for sample in family.samples
        if sample.name == name
    ]
    return {tuple(value for _, value in sorted(sample.labels.items())): sample.value for sample in samples}


def families(text: str) -> Iterator[Family]:
    """In their order."""
    for family in text_string_to_metric_families(text):
        names = {name for sample in family.samples for name in sample.labels} - {"le"}
        end = "_total" if family.type == "counter" else ""
        yield Family(family.name + end, family.type, family.documentation, frozenset(names))


def worker_notice(worker: int = 0, **more: Any) -> WorkerNotice:
    """Of one that is well."""
    values: dict[str, Any] = {"sequence": 0, "pid": 100 + worker, "why_not_ready": None}
    return WorkerNotice(worker=worker, **values | {"policy": "feedc0de", "classifier": "v1"} | more)


def request_record(**more: Any) -> RequestRecord:
    """Of a request that `simple` answered at once; `more` is in the outcome."""
    policy, told = ladder(), {"usage": USAGE} | more
    return build_request_record(notice_of(record_of(policy)), outcome(**told), [attempt()], lambda _: policy)


def busy_metrics() -> RouterMetrics:
    """Of a router that has been through everything that there are metrics of."""
    metrics = RouterMetrics(most_tenants=2)
    traffic = Traffic(read_policy().policy)
    shadows = (ShadowDecision("5ad0f1b8c3e97742", "gpt-5", agrees=True),)
    for second in range(600):
        record = traffic.one(NOON + timedelta(seconds=second))
        if record.record is not None:
            metrics.observe_notice(notice_of(bytes(record.record), shadows=shadows, is_cached=record.cached))
        metrics.observe_record(record)
    metrics.observe_record(request_record(usage=None))
    metrics.observe_record(request_record(status=0, flags=("upstream_remote_reset",)))
    metrics.observe_notice(worker_notice(reload="ok"))
    metrics.observe_collector(CollectorCounts, lambda: 3)
    metrics.observe_readiness(lambda: None)
    return metrics
