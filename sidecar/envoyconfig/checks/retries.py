"""Rules for retries: a failed attempt goes on to the next model, once, and nothing on the way stops it."""

from collections.abc import Iterator

from sidecar.config.finding import Severity
from sidecar.envoyconfig.finding import Fault, Rule
from sidecar.envoyconfig.reading.document import Node
from sidecar.envoyconfig.reading.edges import Choice
from sidecar.envoyconfig.reading.elements import ROUTER
from sidecar.envoyconfig.reading.gateway import Gateway

# What `5xx` in retry_on includes: Envoy counts an answer that never came as one.
_COVERED_BY_5XX = {"reset", "connect-failure", "refused-stream", "gateway-error"}
_FAILURES = ("5xx", "reset", "connect-failure", "refused-stream")
_TOO_MANY_REQUESTS = 429

# Envoy's defaults of a circuit breaker.
_DEFAULT_LIMIT = 1024

# With fewer attempts a plan is hardly one.
_FEW_ATTEMPTS = 3


def _no_policy(gateway: Gateway) -> Iterator[Fault]:
    for route in gateway.plan_routes:
        policy = route.retry_policy
        attempts = policy.at("num_retries").number()
        if not policy.at("retry_on").is_set:
            yield Fault(policy, f"route {route.node.at('name').text()!r} retries nothing")
        elif attempts is not None and attempts < 1:
            yield Fault(policy.at("num_retries"), f"num_retries is {attempts:g}")


def _retrying(gateway: Gateway) -> Iterator[tuple[Choice, Node]]:
    """The retry policies of plan routes, those that retry at all."""
    for route in gateway.plan_routes:
        if route.retry_policy.at("retry_on").is_set:
            yield route.choice, route.retry_policy


def _refresh(gateway: Gateway) -> Iterator[Fault]:
    for choice, policy in _retrying(gateway):
        refresh = policy.at("refresh_cluster_on_retry")
        if choice is Choice.PLAN and refresh.flag() is not True:
            yield Fault(refresh, "refresh_cluster_on_retry is not true")


def _retry_on(gateway: Gateway) -> Iterator[Fault]:
    for _, policy in _retrying(gateway):
        conditions = {it.strip() for it in policy.at("retry_on").text().split(",")}
        covered = conditions | (_COVERED_BY_5XX if "5xx" in conditions else set())
        missing = [it for it in _FAILURES if it not in covered]
        if missing:
            yield Fault(policy.at("retry_on"), f"retry_on does not cover {', '.join(missing)}")


def _rate_limits(gateway: Gateway) -> Iterator[Fault]:
    for _, policy in _retrying(gateway):
        conditions = {it.strip() for it in policy.at("retry_on").text().split(",")}
        codes = policy.at("retriable_status_codes")
        listed = _TOO_MANY_REQUESTS in [it.number() for it in codes.items()]
        if not listed or "retriable-status-codes" not in conditions:
            yield Fault(codes if codes.is_set else policy.at("retry_on"), "an answer of 429 is not retried")


def _attempts(gateway: Gateway) -> Iterator[Fault]:
    for route in gateway.plan_routes:
        attempts = route.most_attempts
        if 1 < attempts < min(len(route.groups), _FEW_ATTEMPTS):
            place = route.retry_policy.at("num_retries")
            yield Fault(place, f"{attempts} attempts, for a plan of {len(route.groups)} models")


def _per_try_timeout(gateway: Gateway) -> Iterator[Fault]:
    for _, policy in _retrying(gateway):
        timeout = policy.at("per_try_timeout")
        if not timeout.seconds():
            yield Fault(timeout, "per_try_timeout is not set")


def _retry_budget(gateway: Gateway) -> Iterator[Fault]:
    for cluster in gateway.attempt_clusters:
        budget = cluster.thresholds.at("retry_budget")
        percent = budget.at("budget_percent", "value").number()
        allowed = (cluster.thresholds.at("max_retries").number() or 0) >= _DEFAULT_LIMIT
        if not budget.is_set and not allowed:
            yield Fault(
                cluster.thresholds, "no retry_budget for what leaves a failing model: three at once (max_retries)"
            )
        elif budget.is_set and (percent or 20) < 100:
            yield Fault(budget, f"retry_budget is {percent or 20:g} % of the requests")


def _attempt_breakers(gateway: Gateway) -> Iterator[Fault]:
    for cluster in gateway.attempt_clusters:
        for name in ("max_connections", "max_pending_requests", "max_requests"):
            most = cluster.thresholds.at(name)
            if (most.number() or _DEFAULT_LIMIT) <= _DEFAULT_LIMIT:
                yield Fault(
                    most, f"{name} is {most.text() or f'not set ({_DEFAULT_LIMIT})'} before the internal listener"
                )
                break


def _inner_retries(gateway: Gateway) -> Iterator[Fault]:
    for attempt in gateway.attempts:
        for level in attempt.levels[:2]:
            action = level.at("route") if level is attempt.route else level
            retries = action.at("retry_policy", "num_retries")
            retried = action.at("retry_policy", "retry_on")
            if retried.is_set and retries.number() != 0:
                yield Fault(retried, f"the internal listener retries, too ({retried.text()})")


def _envoy_headers(gateway: Gateway) -> Iterator[Fault]:
    for inner in gateway.inner_listeners:
        for router in inner.filters_of(ROUTER):
            suppress = router.config.at("suppress_envoy_headers")
            if suppress.flag() is not True:
                yield Fault(suppress if suppress.is_set else router.node, "suppress_envoy_headers is not true")


RULES = (
    Rule(
        "retry-policy",
        Severity.ERROR,
        _no_policy,
        reason="The first attempt that fails would be the answer: nothing goes on to another model, or tries again.",
        fix="retry_policy: {retry_on: '5xx,reset,connect-failure,refused-stream,retriable-status-codes', "
        "retriable_status_codes: [429], num_retries: 3, …}",
    ),
    Rule(
        "retry-refresh-cluster",
        Severity.ERROR,
        _refresh,
        reason="Without it every retry goes to the model that has just failed.",
        fix="refresh_cluster_on_retry: true",
    ),
    Rule(
        "retry-on",
        Severity.ERROR,
        _retry_on,
        reason="A provider that is down, resets or refuses is what the plan's next model is for.",
        fix="retry_on: 5xx,reset,connect-failure,refused-stream,retriable-status-codes",
    ),
    Rule(
        "retry-rate-limited",
        Severity.ERROR,
        _rate_limits,
        reason="A provider that has had enough answers 429: another may well have room.",
        fix="retriable-status-codes in retry_on, and retriable_status_codes: [429]",
    ),
    Rule(
        "retry-attempts",
        Severity.WARNING,
        _attempts,
        reason="Models at the end of the plan never get their turn.",
        fix="num_retries: 3",
    ),
    Rule(
        "retry-per-try-timeout",
        Severity.ERROR,
        _per_try_timeout,
        reason="A provider that takes the request and never answers is not left for the next: the route's own "
        "timeout is off, for streams.",
        fix="per_try_timeout: 130s (it ends with the first byte of the answer)",
    ),
    Rule(
        "retry-budget",
        Severity.ERROR,
        _retry_budget,
        reason="Retries are counted on the cluster that failed, and over its budget they are not made: with the "
        "default 58 of 60 requests at once got the 503.",
        fix="circuit_breakers: {thresholds: [{retry_budget: {budget_percent: {value: 100}, min_retry_concurrency: "
        "1000}, …}]}",
    ),
    Rule(
        "attempt-breakers",
        Severity.WARNING,
        _attempt_breakers,
        reason="What overflows before the internal listener fails without a retry. The breaker of a model belongs "
        "to its provider's cluster: a full one sends the attempt on to the next model.",
        fix="thresholds: [{max_connections: 100000, max_pending_requests: 100000, max_requests: 100000, …}]",
    ),
    Rule(
        "inner-retries",
        Severity.ERROR,
        _inner_retries,
        reason="The edge retries already: each of its attempts would become several, on the same model, all of them "
        "paid.",
        fix="retry_policy: {num_retries: 0, per_try_timeout: 120s} without retry_on",
    ),
    Rule(
        "inner-envoy-headers",
        Severity.ERROR,
        _envoy_headers,
        reason="With it the x-envoy-overloaded of a full breaker tells the edge to give up, instead of trying the "
        "next model.",
        fix="suppress_envoy_headers: true in the router filter of the internal listener",
    ),
)
