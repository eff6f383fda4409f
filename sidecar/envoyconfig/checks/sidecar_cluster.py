"""Rules for the cluster of the sidecar: HTTP/2, and workers that die or hang are noticed at once."""

from collections.abc import Iterator

from sidecar.config.finding import Severity
from sidecar.envoyconfig.checks.bootstrap import is_loopback
from sidecar.envoyconfig.finding import Fault, Rule
from sidecar.envoyconfig.reading.gateway import Gateway

# Envoy's default for max_retries; with a worker gone, each request that it held is one.
_DEFAULT_RETRIES = 3
_DEFAULT_REQUESTS = 1024

_LB_POLICIES = ("ROUND_ROBIN", "LEAST_REQUEST", "RING_HASH", "RANDOM", "", "MAGLEV", "CLUSTER_PROVIDED")


def _http2(gateway: Gateway) -> Iterator[Fault]:
    for cluster in gateway.sidecar_clusters():
        if not cluster.is_http2:
            yield Fault(cluster.node, f"cluster {cluster.name!r} speaks HTTP/1")


def _health_check(gateway: Gateway) -> Iterator[Fault]:
    for cluster in gateway.sidecar_clusters():
        checks = cluster.node.at("health_checks")
        if not any(check.at("grpc_health_check").is_set for check in checks.items()):
            yield Fault(checks, f"cluster {cluster.name!r} has no grpc_health_check")


def _health_interval(gateway: Gateway) -> Iterator[Fault]:
    for cluster in gateway.sidecar_clusters():
        for check in cluster.node.at("health_checks").items():
            idle = check.at("no_traffic_interval")
            if (idle.seconds() or 60) > 5:
                yield Fault(idle, f"no_traffic_interval is {idle.text() or 'not set (60s)'}")


def _health_threshold(gateway: Gateway) -> Iterator[Fault]:
    for cluster in gateway.sidecar_clusters():
        for check in cluster.node.at("health_checks").items():
            threshold = check.at("unhealthy_threshold")
            if threshold.number() == 1:
                yield Fault(threshold, "one slow answer makes a worker unhealthy")


def _network(gateway: Gateway) -> Iterator[Fault]:
    for cluster in gateway.sidecar_clusters():
        for address in cluster.addresses:
            host = address.at("socket_address", "address")
            if host.is_set and not is_loopback(host.text()) and not cluster.node.at("transport_socket").is_set:
                yield Fault(host, f"prompts go to {host.text()} as plain text")


def _panic(gateway: Gateway) -> Iterator[Fault]:
    for cluster in gateway.sidecar_clusters():
        percent, node = cluster.panic_threshold
        if percent > 0:
            yield Fault(node, f"healthy_panic_threshold of cluster {cluster.name!r} is {percent:g} %")


def _breakers(gateway: Gateway) -> Iterator[Fault]:
    for cluster in gateway.sidecar_clusters():
        for name, default in (("max_requests", _DEFAULT_REQUESTS), ("max_retries", _DEFAULT_RETRIES)):
            most = cluster.thresholds.at(name)
            if (most.number() or default) <= default:
                message = f"{name} of cluster {cluster.name!r} is {most.text() or f'not set ({default})'}"
                yield Fault(most, message)


def _balancing(gateway: Gateway) -> Iterator[Fault]:
    for cluster in gateway.sidecar_clusters():
        policy = cluster.node.at("lb_policy")
        if cluster.node.at("load_balancing_policy").is_set:
            continue
        if len(cluster.addresses) > 1 and policy.word(_LB_POLICIES) != "LEAST_REQUEST":
            message = (
                f"lb_policy is {policy.word(_LB_POLICIES) or 'ROUND_ROBIN'} for {len(cluster.addresses)} workers"
            )
            yield Fault(policy, message)


RULES = (
    Rule(
        "sidecar-http2",
        Severity.ERROR,
        _http2,
        reason="Without HTTP/2 there is no gRPC: every call to the sidecar fails, and every request takes the "
        "default plan.",
        fix="typed_extension_protocol_options: envoy.extensions.upstreams.http.v3.HttpProtocolOptions: "
        "explicit_http_config: {http2_protocol_options: {}}",
    ),
    Rule(
        "sidecar-health-check",
        Severity.WARNING,
        _health_check,
        reason="A sidecar that hangs still takes connections: without a health check every request waits the whole "
        "message_timeout, for as long as it hangs. Outlier detection does not see it.",
        fix="health_checks: [{timeout: 0.2s, interval: 0.5s, no_traffic_interval: 0.5s, unhealthy_threshold: 2, "
        "healthy_threshold: 1, grpc_health_check: {}}]",
    ),
    Rule(
        "sidecar-health-interval",
        Severity.WARNING,
        _health_interval,
        reason="Until the first request reaches the sidecar it is checked at this interval only, a minute by "
        "default: one that hangs from the start is found too late.",
        fix="no_traffic_interval: 0.5s",
    ),
    Rule(
        "sidecar-health-threshold",
        Severity.WARNING,
        _health_threshold,
        reason="A worker that is busy for the time of one check would be left out, and the requests go undecided.",
        fix="unhealthy_threshold: 2",
    ),
    Rule(
        "sidecar-network",
        Severity.WARNING,
        _network,
        reason="The sidecar is sent every prompt. On the same machine a Unix socket also says who may listen.",
        fix="a pipe, an address of this machine, or TLS",
    ),
    Rule(
        "sidecar-panic-threshold",
        Severity.WARNING,
        _panic,
        reason="With no healthy worker left Envoy would ask the unhealthy ones, and wait for each; at 0 it passes "
        "the sidecar by at once.",
        fix="common_lb_config: {healthy_panic_threshold: {value: 0}}",
    ),
    Rule(
        "sidecar-breakers",
        Severity.WARNING,
        _breakers,
        reason="Each request is a call, and each call of a worker that died is a retry: beyond these limits "
        "requests go undecided.",
        fix="circuit_breakers: {thresholds: [{max_requests: 10000, max_pending_requests: 10000, max_retries: 1000}]}",
    ),
    Rule(
        "sidecar-balancing",
        Severity.WARNING,
        _balancing,
        reason="A worker that hangs collects requests, and by LEAST_REQUEST gets no more: 4 of 200 went undecided, "
        "100 by ROUND_ROBIN.",
        fix="lb_policy: LEAST_REQUEST",
    ),
)
