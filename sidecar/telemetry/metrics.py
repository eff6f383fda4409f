"""Counts of decisions by reason, in Prometheus' text format."""

from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.resources import Resource
from prometheus_client import CollectorRegistry, generate_latest

from sidecar.routing.decision import Decision
from sidecar.routing.exchange import Exchange


class DecisionCounter:
    """An ExchangeObserver that counts: `llm_router_decisions_total{api, reason, tier}`."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        reader = PrometheusMetricReader(disable_target_info=True, registry=self._registry, scope_info_enabled=False)
        self._provider = MeterProvider([reader], resource=Resource.get_empty(), shutdown_on_exit=False)
        self._decisions = self._provider.get_meter("sidecar").create_counter(
            "llm.router.decisions", description="Requests decided or rejected, by the reason that settled them."
        )

    def observe(self, exchange: Exchange) -> None:
        """One more."""
        result = exchange.result
        tier = result.tier.label if isinstance(result, Decision) else ""
        self._decisions.add(1, {"api": exchange.endpoint.api, "reason": result.reason, "tier": tier})

    def render(self) -> bytes:
        """All counts so far."""
        return generate_latest(self._registry)
