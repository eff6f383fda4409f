"""The clusters that stay on this machine: to the `models` listener, to the sidecar and to the collectors."""

from datetime import timedelta

from sidecar.envoyconfig.parts.messages import (
    append_header,
    cluster,
    core,
    endpoint,
    hcm,
    header_mutation,
    http_options,
    internal_upstream,
    mutation_rules,
    packed,
    protobuf,
    raw_buffer,
    socket_address,
    struct,
    upstream_codec,
    values,
)
from sidecar.envoyconfig.parts.names import (
    ATTEMPT_NAMESPACE,
    MODELS,
    OTLP,
    OUTCOMES,
    OUTCOMES_SOCKET,
    SIDECAR,
    TARGET_HEADER,
    sidecar_sockets,
)
from sidecar.envoyconfig.parts.places import Address
from sidecar.routing.policy import Model

_HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"

# What a collector that hangs may cost, per Envoy worker; beyond it entries of the log are dropped, and counted.
_OUTCOMES_BUFFER_BYTES = 4 * 1024 * 1024
_OUTCOMES_WINDOW_BYTES = 1024 * 1024


def attempt_cluster(model: Model) -> cluster.Cluster:
    """One attempt on a model: into the `models` listener, with the model's name."""
    address = core.Address(
        envoy_internal_address=core.EnvoyInternalAddress(server_listener_name=MODELS, endpoint_id=model.cluster)
    )
    name_it = header_mutation.HeaderMutation(
        mutations=header_mutation.Mutations(
            request_mutations=[mutation_rules.HeaderMutation(append=append_header(TARGET_HEADER, model.name))]
        )
    )
    filters = [hcm.HttpFilter(name="envoy.filters.http.header_mutation", typed_config=packed(name_it)), last_filter()]
    return cluster.Cluster(
        name=model.cluster,
        connect_timeout=timedelta(seconds=1),
        metadata=core.Metadata(  # on the span of the attempt
            filter_metadata={ATTEMPT_NAMESPACE: struct({"model": model.name, "provider": model.provider})}
        ),
        load_assignment=assignment(model.cluster, address),
        transport_socket=in_process(),
        circuit_breakers=no_breakers(),
        typed_extension_protocol_options=protocol_options(
            http_options.HttpProtocolOptions(explicit_http_config=_http2_only(), http_filters=filters)
        ),
    )


def sidecar_cluster(workers: int) -> cluster.Cluster:
    """A hung worker collects requests and gets no more; it is noticed within about a second."""
    return cluster.Cluster(
        name=SIDECAR,
        connect_timeout=timedelta(seconds=0.25),
        lb_policy=cluster.ClusterLbPolicy.LEAST_REQUEST,
        load_assignment=assignment(SIDECAR, *(_pipe(socket) for socket in sidecar_sockets(workers))),
        health_checks=[
            core.HealthCheck(
                timeout=timedelta(seconds=0.2),
                interval=timedelta(seconds=0.5),
                no_traffic_interval=timedelta(seconds=0.5),
                unhealthy_threshold=2,
                healthy_threshold=1,
                grpc_health_check=core.HealthCheckGrpcHealthCheck(),
            )
        ],
        common_lb_config=no_panic(),
        circuit_breakers=cluster.CircuitBreakers(
            thresholds=[
                cluster.CircuitBreakersThresholds(max_requests=10000, max_pending_requests=10000, max_retries=1000)
            ]
        ),
        typed_extension_protocol_options=http2(),
    )


def outcomes_cluster() -> cluster.Cluster:
    """The collector: one process, since what belongs to one request has to meet."""
    windows = core.Http2ProtocolOptions(
        initial_stream_window_size=_OUTCOMES_WINDOW_BYTES, initial_connection_window_size=_OUTCOMES_WINDOW_BYTES
    )
    return cluster.Cluster(
        name=OUTCOMES,
        connect_timeout=timedelta(seconds=0.25),
        per_connection_buffer_limit_bytes=_OUTCOMES_BUFFER_BYTES,
        load_assignment=assignment(OUTCOMES, _pipe(OUTCOMES_SOCKET)),
        typed_extension_protocol_options=protocol_options(
            http_options.HttpProtocolOptions(explicit_http_config=_http2_only(windows))
        ),
    )


def otlp_cluster(address: Address) -> cluster.Cluster:
    """Any OpenTelemetry collector; when it is down spans are dropped and requests go on."""
    return cluster.Cluster(
        name=OTLP,
        type=cluster.ClusterDiscoveryType.STRICT_DNS,
        connect_timeout=timedelta(seconds=0.25),
        load_assignment=assignment(OTLP, socket_address(*address)),
        typed_extension_protocol_options=http2(),
    )


def assignment(name: str, *addresses: core.Address) -> endpoint.ClusterLoadAssignment:
    """An endpoint for each address."""
    hosts = [endpoint.LbEndpoint(endpoint=endpoint.Endpoint(address=address)) for address in addresses]
    return endpoint.ClusterLoadAssignment(
        cluster_name=name, endpoints=[endpoint.LocalityLbEndpoints(lb_endpoints=hosts)]
    )


def protocol_options(options: http_options.HttpProtocolOptions) -> dict[str, protobuf.Any]:
    """As a cluster takes them."""
    return {_HTTP_OPTIONS: packed(options)}


def last_filter() -> hcm.HttpFilter:
    """Ends every chain of filters of a cluster."""
    return hcm.HttpFilter(
        name="envoy.filters.http.upstream_codec", typed_config=packed(upstream_codec.UpstreamCodec())
    )


def http2() -> dict[str, protobuf.Any]:
    """For gRPC."""
    return protocol_options(http_options.HttpProtocolOptions(explicit_http_config=_http2_only()))


def in_process() -> core.TransportSocket:
    """To a listener of this Envoy."""
    plain = core.TransportSocket(
        name="envoy.transport_sockets.raw_buffer", typed_config=packed(raw_buffer.RawBuffer())
    )
    socket = internal_upstream.InternalUpstreamTransport(transport_socket=plain)
    return core.TransportSocket(name="envoy.transport_sockets.internal_upstream", typed_config=packed(socket))


def no_breakers() -> cluster.CircuitBreakers:
    """The real ones are on the providers' clusters; a tighter retry budget would keep requests on a failed model."""
    many = 100_000
    budget = cluster.CircuitBreakersThresholdsRetryBudget(
        budget_percent=values.Percent(value=100), min_retry_concurrency=1000
    )
    thresholds = cluster.CircuitBreakersThresholds(
        max_connections=many, max_pending_requests=many, max_requests=many, retry_budget=budget
    )
    return cluster.CircuitBreakers(thresholds=[thresholds])


def no_panic() -> cluster.ClusterCommonLbConfig:
    """With no healthy host: fail at once. The default would use the ejected one anyway."""
    return cluster.ClusterCommonLbConfig(healthy_panic_threshold=values.Percent(value=0))


def _pipe(path: str) -> core.Address:
    return core.Address(pipe=core.Pipe(path=path))


def _http2_only(
    options: core.Http2ProtocolOptions | None = None,
) -> http_options.HttpProtocolOptionsExplicitHttpConfig:
    return http_options.HttpProtocolOptionsExplicitHttpConfig(
        http2_protocol_options=options or core.Http2ProtocolOptions()
    )
