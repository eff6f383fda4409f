"""The clusters that lead to the providers: address, TLS, key, breaker, ejection."""

from datetime import timedelta

from sidecar.envoyconfig.parts.clusters import assignment, last_filter, no_panic, protocol_options
from sidecar.envoyconfig.parts.keys import key_file_name
from sidecar.envoyconfig.parts.messages import (
    cluster,
    core,
    credential_injector,
    dns,
    dns_common,
    extension,
    generic_credential,
    hcm,
    http_options,
    matcher,
    packed,
    protobuf,
    socket_address,
    tls,
)
from sidecar.envoyconfig.parts.names import CONFIG_FOLDER, provider_cluster
from sidecar.envoyconfig.parts.upstreams import KEY_HEADERS, Upstream
from sidecar.routing.policy import Model

_CA_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"

_SanType = tls.SubjectAltNameMatcherSanType


def provider_cluster_of(model: Model, upstream: Upstream, *, is_basic: bool) -> cluster.Cluster:
    """One for each model, so that breaker and ejection count each model alone.

    Nothing is ejected in the basic gateway: with no other model to go to, that would only refuse requests.
    """
    name = provider_cluster(model.name)
    return cluster.Cluster(
        name=name,
        type=cluster.ClusterDiscoveryType.STATIC if upstream.is_address else None,
        cluster_type=None if upstream.is_address else by_dns(),
        connect_timeout=timedelta(seconds=2),
        load_assignment=assignment(name, socket_address(upstream.host, upstream.port)),
        transport_socket=checked_tls(upstream) if upstream.is_tls else None,
        typed_extension_protocol_options=http_with_key(upstream),
        circuit_breakers=breakers(),
        outlier_detection=None if is_basic else ejection(),
        common_lb_config=None if is_basic else no_panic(),
        upstream_connection_options=keepalive(),
    )


def by_dns() -> cluster.ClusterCustomClusterType:
    """A provider's addresses are one service: eject it as one."""
    settings = dns.DnsCluster(
        all_addresses_in_single_endpoint=True,
        dns_lookup_family=dns_common.DnsLookupFamily.V4_PREFERRED,
        respect_dns_ttl=True,
        dns_failure_refresh_rate=dns.DnsClusterRefreshRate(
            base_interval=timedelta(seconds=1), max_interval=timedelta(seconds=10)
        ),
    )
    return cluster.ClusterCustomClusterType(name="envoy.cluster.dns", typed_config=packed(settings))


def checked_tls(upstream: Upstream) -> core.TransportSocket:
    """The certificate has to be of that host; an IP address cannot be asked for by SNI."""
    san = tls.SubjectAltNameMatcher(
        san_type=_SanType.IP_ADDRESS if upstream.is_address else _SanType.DNS,
        matcher=matcher.StringMatcher(exact=upstream.host),
    )
    validation = tls.CertificateValidationContext(
        trusted_ca=core.DataSource(filename=_CA_BUNDLE), match_typed_subject_alt_names=[san]
    )
    context = tls.UpstreamTlsContext(
        sni="" if upstream.is_address else upstream.host,
        common_tls_context=tls.CommonTlsContext(validation_context=validation),
    )
    return core.TransportSocket(name="envoy.transport_sockets.tls", typed_config=packed(context))


def http_with_key(upstream: Upstream) -> dict[str, protobuf.Any]:
    """HTTP/2 where TLS offers it, and the provider's key on every request.

    An idle connection is closed before providers close it: a request on one that they just closed would fail.
    """
    options = http_options.HttpProtocolOptions(
        auto_config=_http2_where_offered() if upstream.is_tls else None,
        explicit_http_config=None if upstream.is_tls else _http1_only(),
        common_http_protocol_options=core.HttpProtocolOptions(idle_timeout=timedelta(seconds=60)),
        http_filters=[inject_key(upstream), last_filter()] if upstream.key_file else [],
    )
    return protocol_options(options)


def inject_key(upstream: Upstream) -> hcm.HttpFilter:
    """From the provider's key file, in the header that its API reads."""
    header = KEY_HEADERS[upstream.api]
    source = core.ConfigSource(
        path_config_source=core.PathConfigSource(path=f"{CONFIG_FOLDER}/{key_file_name(upstream)}"),
        resource_api_version=core.ApiVersion.V3,
    )
    credential = generic_credential.Generic(
        header=header.name,
        header_value_prefix=header.prefix,
        credential=tls.SdsSecretConfig(name=upstream.name, sds_config=source),
    )
    injector = credential_injector.CredentialInjector(
        overwrite=True, credential=extension("envoy.http.injected_credentials.generic", credential)
    )
    return hcm.HttpFilter(name="envoy.filters.http.credential_injector", typed_config=packed(injector))


def breakers() -> cluster.CircuitBreakers:
    """Per model; a full one sends the attempt to the next model."""
    most = 512
    return cluster.CircuitBreakers(
        thresholds=[
            cluster.CircuitBreakersThresholds(
                max_connections=most, max_pending_requests=most, max_requests=most, track_remaining=True
            )
        ]
    )


def ejection() -> cluster.OutlierDetection:
    """A failing model is skipped for 15 s, then 30 s, … up to 2 minutes."""
    return cluster.OutlierDetection(
        consecutive_5xx=5,
        consecutive_gateway_failure=5,
        enforcing_consecutive_gateway_failure=100,
        interval=timedelta(seconds=5),
        base_ejection_time=timedelta(seconds=15),
        max_ejection_time=timedelta(seconds=120),
        max_ejection_percent=100,
    )


def keepalive() -> cluster.UpstreamConnectionOptions:
    """Long silent answers outlive the idle timers of NATs."""
    return cluster.UpstreamConnectionOptions(
        tcp_keepalive=core.TcpKeepalive(keepalive_time=60, keepalive_interval=15, keepalive_probes=4)
    )


def _http2_where_offered() -> http_options.HttpProtocolOptionsAutoHttpConfig:
    alive = core.KeepaliveSettings(interval=timedelta(seconds=30), timeout=timedelta(seconds=10))
    return http_options.HttpProtocolOptionsAutoHttpConfig(
        http2_protocol_options=core.Http2ProtocolOptions(connection_keepalive=alive)
    )


def _http1_only() -> http_options.HttpProtocolOptionsExplicitHttpConfig:
    return http_options.HttpProtocolOptionsExplicitHttpConfig(http_protocol_options=core.Http1ProtocolOptions())
