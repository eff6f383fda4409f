"""Rules for the providers' clusters: the right address, checked TLS, and a sick provider is left alone."""

import json
from collections.abc import Iterator
from ipaddress import ip_address
from urllib.parse import SplitResult

from sidecar.config.finding import Severity
from sidecar.envoyconfig.checks.bootstrap import is_loopback
from sidecar.envoyconfig.checks.models import provider_url
from sidecar.envoyconfig.finding import Fault, Rule
from sidecar.envoyconfig.parts.upstreams import DEFAULT_PORTS
from sidecar.envoyconfig.reading.attempts import Attempt
from sidecar.envoyconfig.reading.document import Node
from sidecar.envoyconfig.reading.elements import Cluster
from sidecar.envoyconfig.reading.gateway import Gateway
from sidecar.envoyconfig.reading.matching import matches_string

_DNS_CLUSTER = "envoy.extensions.clusters.dns.v3.DnsCluster"

# Longer than providers and the load balancers before them keep an idle connection.
_LONGEST_IDLE = 300


def _reached(gateway: Gateway) -> Iterator[tuple[Attempt, Cluster, SplitResult]]:
    """Each provider's cluster, with the URL that the policy has for it."""
    for attempt in gateway.attempts:
        if attempt.provider is not None:
            yield attempt, attempt.provider, provider_url(gateway, attempt)


def _is_ip_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _same_host(one: str, other: str) -> bool:
    """Whatever their case, or an address's spelling."""
    if _is_ip_address(one) and _is_ip_address(other):
        return ip_address(one) == ip_address(other)
    return one.lower().rstrip(".") == other.lower().rstrip(".")


def _addresses(gateway: Gateway) -> Iterator[Fault]:
    for attempt, cluster, url in _reached(gateway):
        wanted = url.hostname or "", url.port or DEFAULT_PORTS[url.scheme]
        for address in cluster.addresses:
            socket = address.at("socket_address")
            found = socket.at("address").text(), socket.at("port_value").number()
            if not socket.at("address").is_set or socket.at("named_port").is_set:
                continue
            if not _same_host(found[0], wanted[0]) or found[1] != wanted[1]:
                message = f"cluster {cluster.name!r} is at {found[0]}:{found[1] or 0:g}"
                yield Fault(
                    socket.at("address"),
                    f"{message}, and {attempt.model.name} at {wanted[0]}:{wanted[1]} in the policy",
                    f"socket_address: {{address: {wanted[0]}, port_value: {wanted[1]}}}",
                )


def _plain(gateway: Gateway) -> Iterator[Fault]:
    for _, cluster, url in _reached(gateway):
        if url.scheme == "https" and not cluster.node.at("transport_socket").is_set:
            place = cluster.node.at("transport_socket")
            yield Fault(place, f"cluster {cluster.name!r} has no TLS, and the policy says {url.geturl()}")


def _encrypted(gateway: Gateway) -> Iterator[tuple[Cluster, Node, str]]:
    """The clusters with TLS, their TLS settings, and the host that the policy says."""
    for _, cluster, url in _reached(gateway):
        if cluster.tls is not None and url.scheme == "https":
            yield cluster, cluster.tls, url.hostname or ""


def _sni(gateway: Gateway) -> Iterator[Fault]:
    for cluster, tls, host in _encrypted(gateway):
        if _is_ip_address(host):
            continue  # SNI has names only (RFC 6066, 3); which one the server at an address wants, nobody can tell
        automatic = cluster.http.at("upstream_http_protocol_options", "auto_sni"), tls.at("auto_host_sni")
        sni = tls.at("sni")
        if not _same_host(sni.text(), host) and not (not sni.is_set and any(it.flag() is True for it in automatic)):
            yield Fault(sni, f"sni is {sni.text() or 'not set'}, and the host {host}", f"sni: {host}")


def _validation(tls: Node) -> Node | None:
    """What a certificate is checked against; None if it comes from elsewhere."""
    common = tls.at("common_tls_context")
    if common.at("validation_context_sds_secret_config").is_set:
        return None
    combined = common.at("combined_validation_context", "default_validation_context")
    return combined if combined.is_set else common.at("validation_context")


def _untrusted(gateway: Gateway) -> Iterator[Fault]:
    for _, tls, _ in _encrypted(gateway):
        context = _validation(tls)
        if context is None:
            continue
        names = ("system_root_certs", "ca_certificate_provider_instance", "custom_validator_config")
        accepts = context.at("trust_chain_verification")
        if accepts.word(("VERIFY_TRUST_CHAIN", "ACCEPT_UNTRUSTED")) == "ACCEPT_UNTRUSTED":
            yield Fault(accepts, "any certificate is accepted (trust_chain_verification)")
        elif not context.at("trusted_ca").members() and not any(context.at(name).is_set for name in names):
            yield Fault(context.at("trusted_ca"), "any certificate is accepted (no trusted_ca)")


def _names(gateway: Gateway) -> Iterator[Fault]:
    for cluster, tls, host in _encrypted(gateway):
        context = _validation(tls)
        options = cluster.http.at("upstream_http_protocol_options", "auto_san_validation")
        if context is None or options.flag() is True or tls.at("auto_sni_san_validation").flag() is True:
            continue
        names = context.at("match_typed_subject_alt_names")
        matchers = [it.at("matcher") for it in names.items()] + context.at("match_subject_alt_names").items()
        kind = "IP_ADDRESS" if _is_ip_address(host) else "DNS"
        fix = f"match_typed_subject_alt_names: [{{san_type: {kind}, matcher: {{exact: {json.dumps(host)}}}}}]"
        expected = tls.at("sni").text() if kind == "IP_ADDRESS" and tls.at("sni").is_set else host
        if not matchers:
            yield Fault(names, f"the certificate of {host} may be for any name", fix)
        elif not any(matches_string(it, name) is not False for it in matchers for name in (host, expected)):
            yield Fault(names, f"no certificate of {host} passes these names", fix)


def _breakers(gateway: Gateway) -> Iterator[Fault]:
    for cluster in gateway.provider_clusters():
        if not cluster.thresholds.is_set:
            yield Fault(cluster.node.at("circuit_breakers"), f"cluster {cluster.name!r} has no circuit_breakers")


def _ejection(gateway: Gateway) -> Iterator[Fault]:
    for cluster in gateway.provider_clusters(resilient_only=True):
        if not cluster.node.at("outlier_detection").is_set:
            yield Fault(cluster.node.at("outlier_detection"), f"cluster {cluster.name!r} has no outlier_detection")


def _panic(gateway: Gateway) -> Iterator[Fault]:
    for cluster in gateway.provider_clusters(resilient_only=True):
        percent, node = cluster.panic_threshold
        if cluster.node.at("outlier_detection").is_set and percent > 0:
            yield Fault(node, f"healthy_panic_threshold is {percent:g} %")


def _ejection_share(gateway: Gateway) -> Iterator[Fault]:
    for cluster in gateway.provider_clusters(resilient_only=True):
        outlier = cluster.node.at("outlier_detection")
        share = outlier.at("max_ejection_percent")
        is_one = outlier.at("always_eject_one_host").flag() is True and len(cluster.addresses) == 1
        if outlier.is_set and (share.number() or 10) < 100 and not is_one:
            yield Fault(share, f"max_ejection_percent is {share.text() or 'not set (10)'}")


def _pointless_ejection(gateway: Gateway) -> Iterator[Fault]:
    resilient = {cluster.name for cluster in gateway.provider_clusters(resilient_only=True)}
    for cluster in gateway.provider_clusters():
        outlier = cluster.node.at("outlier_detection")
        if cluster.name not in resilient and outlier.is_set and len(cluster.addresses) == 1:
            yield Fault(outlier, "the only host is ejected, and requests have nowhere else to go")


def _apart(gateway: Gateway) -> Iterator[Fault]:
    for cluster in gateway.provider_clusters(resilient_only=True):
        config = cluster.node.at("cluster_type", "typed_config")
        is_one = config.at("all_addresses_in_single_endpoint")
        is_split = cluster.node.at("type").word() == "STRICT_DNS"
        is_split = is_split or (config.typed()[0] == _DNS_CLUSTER and is_one.flag() is not True)
        if is_split and cluster.node.at("outlier_detection").is_set:
            place = is_one if config.is_set else cluster.node.at("type")
            yield Fault(place, "each address of the provider is a host of its own")


def _silent(gateway: Gateway) -> Iterator[Fault]:
    for cluster in gateway.provider_clusters():
        tcp = cluster.node.at("upstream_connection_options", "tcp_keepalive")
        options = [it.at("http2_protocol_options", "connection_keepalive") for it in _protocols(cluster)]
        if not tcp.is_set and not any(it.is_set for it in options):
            yield Fault(tcp, f"nothing keeps silent connections of cluster {cluster.name!r} alive")


def _protocols(cluster: Cluster) -> tuple[Node, Node]:
    return cluster.http.at("auto_config"), cluster.http.at("explicit_http_config")


def _idle(gateway: Gateway) -> Iterator[Fault]:
    for cluster in gateway.provider_clusters():
        idle = cluster.http.at("common_http_protocol_options", "idle_timeout")
        seconds = 3600 if idle.seconds() is None else idle.seconds()
        if not 0 < (seconds or 0) <= _LONGEST_IDLE:
            yield Fault(idle, f"idle connections to the provider stay for {idle.text() or 'an hour'}")


def _exposed(gateway: Gateway) -> Iterator[Fault]:
    for attempt, cluster, url in _reached(gateway):
        has_key = gateway.config.providers[attempt.model.provider].api_key_file is not None
        if url.scheme == "http" and has_key and not is_loopback(url.hostname or ""):
            yield Fault(cluster.node, f"the key of {url.hostname} goes over the network as plain text")


RULES = (
    Rule(
        "provider-address",
        Severity.ERROR,
        _addresses,
        reason="Prompts, and the provider's key, would go to another server than the policy says.",
        fix="the host and port of the provider's url",
    ),
    Rule(
        "provider-tls",
        Severity.ERROR,
        _plain,
        reason="Prompts and keys would be sent as plain text.",
        fix="transport_socket: envoy.transport_sockets.tls with sni, trusted_ca and match_typed_subject_alt_names",
    ),
    Rule(
        "provider-sni",
        Severity.ERROR,
        _sni,
        reason="The server chooses its certificate by this name: with another, or none, it may be the wrong one.",
        fix="sni: the host of the provider's url",
    ),
    Rule(
        "provider-ca",
        Severity.ERROR,
        _untrusted,
        reason="Envoy checks no certificate unless it is told against what: anybody on the way could be the "
        "provider.",
        fix="validation_context: {trusted_ca: {filename: /etc/ssl/certs/ca-certificates.crt}}",
    ),
    Rule(
        "provider-san",
        Severity.ERROR,
        _names,
        reason="A certificate that is trusted is still somebody else's if its name is not checked, and useless if "
        "checked for another.",
        fix="match_typed_subject_alt_names: [{san_type: DNS, matcher: {exact: the provider's host}}]",
    ),
    Rule(
        "provider-breakers",
        Severity.WARNING,
        _breakers,
        reason="With a limit of its own a slow provider fills its breaker, and attempts go on to the next model; "
        "the default is 1024 requests.",
        fix="circuit_breakers: {thresholds: [{max_connections: 512, max_pending_requests: 512, max_requests: 512}]}",
    ),
    Rule(
        "provider-ejection",
        Severity.WARNING,
        _ejection,
        reason="Without it every request tries a failing model first, and pays its failure.",
        fix="outlier_detection: {consecutive_5xx: 5, consecutive_gateway_failure: 5, interval: 5s, "
        "base_ejection_time: 15s, max_ejection_time: 120s, max_ejection_percent: 100}",
    ),
    Rule(
        "provider-panic-threshold",
        Severity.WARNING,
        _panic,
        reason="By default Envoy uses an ejected host all the same when too few others are left: with one host, "
        "always.",
        fix="common_lb_config: {healthy_panic_threshold: {value: 0}}",
    ),
    Rule(
        "provider-ejection-percent",
        Severity.WARNING,
        _ejection_share,
        reason="A provider is one host, or a few that fail together: all of them have to be ejected.",
        fix="max_ejection_percent: 100",
    ),
    Rule(
        "provider-hosts",
        Severity.WARNING,
        _apart,
        reason="A provider's addresses are one service: ejected one by one, a failing provider stays in the plan "
        "for as many rounds as it has addresses.",
        fix="type: LOGICAL_DNS, or envoy.cluster.dns with all_addresses_in_single_endpoint: true",
    ),
    Rule(
        "provider-keepalive",
        Severity.WARNING,
        _silent,
        reason="A reasoning model is silent for minutes, and NATs and load balancers forget a connection that is.",
        fix="upstream_connection_options: {tcp_keepalive: {keepalive_time: 60, keepalive_interval: 15}}",
    ),
    Rule(
        "ejection-without-failover",
        Severity.WARNING,
        _pointless_ejection,
        reason="In the basic gateway retries stay on the model: ejecting it only refuses requests that might have "
        "worked.",
        fix="remove outlier_detection",
    ),
    Rule(
        "provider-idle-timeout",
        Severity.WARNING,
        _idle,
        reason="Providers close idle connections sooner: a request on one that was just closed is a failed attempt.",
        fix="common_http_protocol_options: {idle_timeout: 60s}",
    ),
    Rule(
        "provider-plain-key",
        Severity.WARNING,
        _exposed,
        reason="Anybody on the way can read the key, and the prompts.",
        fix="an https url in the policy, and TLS in the cluster",
    ),
)
