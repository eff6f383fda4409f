"""Counts of decisions by reason, and of what else happens to a router, in Prometheus' text format."""

from collections.abc import Iterable
from typing import Protocol

from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.resources import Resource
from prometheus_client import CollectorRegistry, generate_latest

from sidecar.routing.decision import Decision
from sidecar.routing.exchange import Exchange
from sidecar.routing.rejection import RejectedError


class CacheCounts(Protocol):
    """A cache that counts."""

    hits: int
    misses: int


class RouterMetrics:
    """An ExchangeObserver and a ReloadObserver; every label has a closed set of values, or the policy's names."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        reader = PrometheusMetricReader(disable_target_info=True, registry=self._registry, scope_info_enabled=False)
        self._provider = MeterProvider([reader], resource=Resource.get_empty(), shutdown_on_exit=False)
        self._policy = ""
        self._cache: CacheCounts | None = None
        self._earlier_hits = self._earlier_misses = 0
        meter = self._provider.get_meter("sidecar")
        self._decisions = meter.create_counter(
            "llm.router.decisions", description="Requests decided or rejected, by the reason that settled them."
        )
        self._shadows = meter.create_counter(
            "llm.router.shadow.decisions", description="What shadow policies would have decided: as the active one?"
        )
        self._reloads = meter.create_counter("llm.router.policy.reloads", description="Policy reloads, by result.")
        meter.create_observable_gauge(
            "llm.router.policy.info",
            [self._observe_policy_info],
            description="1, with the hash of the policy in use.",
        )
        meter.create_observable_counter(
            "llm.router.cache.lookups", [self._observe_cache_lookups], description="Prompts looked up in the cache."
        )

    def observe(self, exchange: Exchange) -> None:
        """One more."""
        result = exchange.result
        tier = result.tier.label if isinstance(result, Decision) else ""
        self._decisions.add(1, {"api": exchange.endpoint.api, "reason": result.reason, "tier": tier})
        for shadow in exchange.shadows:
            agrees = "yes" if _first(shadow.result) == _first(result) else "no"
            self._shadows.add(1, {"policy": shadow.policy_hash, "agrees": agrees})

    def observe_policy(self, policy_hash: str) -> None:
        """That is in use from now on."""
        self._policy = policy_hash

    def observe_reload(self, policy_hash: str, *, succeeded: bool) -> None:
        """One more, and which policy is in use from now on."""
        self._policy = policy_hash
        self._reloads.add(1, {"result": "ok" if succeeded else "failed"})

    def observe_cache(self, cache: CacheCounts) -> None:
        """That is in use from now on; the counts of the one before it stay."""
        if self._cache is not None and self._cache is not cache:
            self._earlier_hits += self._cache.hits
            self._earlier_misses += self._cache.misses
        self._cache = cache

    def render(self) -> bytes:
        """All counts so far."""
        return generate_latest(self._registry)

    def _observe_policy_info(self, _options: CallbackOptions) -> Iterable[Observation]:
        return [Observation(1, {"policy": self._policy})] if self._policy else []

    def _observe_cache_lookups(self, _options: CallbackOptions) -> Iterable[Observation]:
        if self._cache is None:
            return []
        return [
            Observation(self._earlier_hits + self._cache.hits, {"result": "hit"}),
            Observation(self._earlier_misses + self._cache.misses, {"result": "miss"}),
        ]


def _first(result: Decision | RejectedError) -> str:
    """Which model answers first; of a rejection, that it is one."""
    return result.model.name if isinstance(result, Decision) else "rejected"
