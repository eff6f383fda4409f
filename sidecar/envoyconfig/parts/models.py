"""The listener `models`: the providers' side, one pass per attempt.

Reached only from this Envoy: the cluster of each model points here and says which model it is. What the provider
needs for its model is in that model's route and in its provider cluster, so it is right on every attempt.
"""

from collections.abc import Mapping
from datetime import timedelta

from sidecar.envoyconfig.parts.edge import connection_manager, router_filter
from sidecar.envoyconfig.parts.local_replies import models_replies
from sidecar.envoyconfig.parts.messages import (
    Append,
    append_header,
    core,
    hcm,
    listener,
    lua,
    matcher,
    packed,
    route,
    struct,
)
from sidecar.envoyconfig.parts.names import (
    API_HEADER,
    ATTEMPT_COUNT_HEADER,
    CLUSTER_HEADER,
    DECISION_ID_HEADER,
    LUA,
    MAX_BODY_BYTES,
    MAX_COST_HEADER,
    MODEL_HEADER,
    MODELS,
    REASON_HEADER,
    REQUEST_ID_HEADER,
    SET_MODEL_PATH,
    TARGET_HEADER,
    TIER_HEADER,
    id_in_json,
    provider_cluster,
)
from sidecar.envoyconfig.parts.outcome_feed import kept_headers, models_feed, token_usage
from sidecar.envoyconfig.parts.retries import first_byte
from sidecar.envoyconfig.parts.upstreams import Upstream
from sidecar.routing.api import Api
from sidecar.routing.policy import Model, Policy

_ROOM_FOR_A_LONGER_MODEL_ID = 64 * 1024

_CREDENTIALS = (  # the clients'; the provider's key is added after this, in the cluster
    "authorization",
    "proxy-authorization",
    "x-api-key",
    "api-key",
    "x-goog-api-key",
    "x-auth-token",
    "x-amz-security-token",
    "x-goog-user-project",
    "openai-organization",
    "openai-project",
    "cookie",
)
_BETWEEN_US_AND_THE_CLIENTS = (
    TIER_HEADER,
    MAX_COST_HEADER,
    TARGET_HEADER,
    CLUSTER_HEADER,
    API_HEADER,
    DECISION_ID_HEADER,
    ATTEMPT_COUNT_HEADER,
    "x-envoy-expected-rq-timeout-ms",
    "x-envoy-external-address",
    "x-envoy-internal",
    "x-envoy-original-path",
    "forwarded",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-real-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-original-forwarded-for",
    "x-forwarded-user",
    "x-forwarded-email",
    "x-forwarded-client-cert",
    "true-client-ip",
    "cf-connecting-ip",
    REQUEST_ID_HEADER,
    "traceparent",
    "tracestate",
    "baggage",
    "b3",
    "x-b3-traceid",
    "x-b3-spanid",
    "x-b3-parentspanid",
    "x-b3-sampled",
    "x-b3-flags",
    "x-ot-span-context",
    "x-datadog-trace-id",
    "x-datadog-parent-id",
    "x-amzn-trace-id",
    "x-cloud-trace-context",
)
# A compressed answer has no tokens that Envoy could read, and no size to tell them by.
_COMPRESSION = "accept-encoding"
_NOT_FOR_CLIENTS = (  # what only Envoy and the sidecar say
    TIER_HEADER,
    REASON_HEADER,
    DECISION_ID_HEADER,
    # read by the edge's router as this Envoy's own, to give up retrying
    "x-envoy-overloaded",
    "x-envoy-ratelimited",
    "x-envoy-immediate-health-check-fail",
    "x-envoy-upstream-service-time",
    # the provider's session and account are ours, not the client's
    "set-cookie",
    "openai-organization",
    "openai-project",
    "anthropic-organization-id",
)


def models_listener(policy: Policy, upstreams: Mapping[str, Upstream], *, is_basic: bool) -> listener.Listener:
    """`upstreams` by provider."""
    counting = [] if is_basic else [token_usage()]
    manager = hcm.HttpConnectionManager(
        stat_prefix=MODELS,
        generate_request_id=False,
        # More than the edge takes, for what it adds; what is malformed all the same ends its own stream only.
        max_request_headers_kb=96,
        common_http_protocol_options=core.HttpProtocolOptions(max_headers_count=300),
        http2_protocol_options=core.Http2ProtocolOptions(override_stream_error_on_invalid_http_message=True),
        stream_idle_timeout=timedelta(0),  # the edge's timers end a stream
        local_reply_config=models_replies(),
        access_log=[models_feed()],
        http_filters=[kept_headers(), _set_model(), *counting, router_filter()],
        route_config=_routes(policy, upstreams),
    )
    return listener.Listener(
        name=MODELS,
        internal_listener=listener.ListenerInternalListenerConfig(),
        ignore_global_conn_limit=True,
        filter_chains=[connection_manager(manager)],
    )


def anthropic_version() -> core.HeaderValueOption:
    """Anthropic's API demands it; SDKs send their own."""
    return append_header("anthropic-version", "2023-06-01", Append.ADD_IF_ABSENT)


def _routes(policy: Policy, upstreams: Mapping[str, Upstream]) -> route.RouteConfiguration:
    host = route.VirtualHost(
        name=MODELS,
        domains=["*"],
        request_body_buffer_limit=MAX_BODY_BYTES + _ROOM_FOR_A_LONGER_MODEL_ID,
        request_headers_to_remove=[*_CREDENTIALS, *_BETWEEN_US_AND_THE_CLIENTS, _COMPRESSION],
        response_headers_to_remove=list(_NOT_FOR_CLIENTS),
        routes=[_route(model, upstreams[model.provider]) for model in policy.models.values()],
    )
    return route.RouteConfiguration(name=MODELS, virtual_hosts=[host])


def _route(model: Model, upstream: Upstream) -> route.Route:
    target = route.HeaderMatcher(name=TARGET_HEADER, string_match=matcher.StringMatcher(exact=model.name))
    return route.Route(
        name=model.name,
        match=route.RouteMatch(prefix="/v1/", case_sensitive=False, headers=[target]),
        metadata=core.Metadata(filter_metadata={LUA: struct({"model": id_in_json(model.id)})}),
        route=route.RouteAction(
            cluster=provider_cluster(model.name),
            host_rewrite_literal=upstream.authority,
            prefix_rewrite=upstream.prefix,
            timeout=timedelta(0),
            retry_policy=first_byte(),
        ),
        request_headers_to_add=[anthropic_version()] if upstream.api is Api.ANTHROPIC else [],
        response_headers_to_add=[append_header(MODEL_HEADER, model.name)],
    )


def _set_model() -> hcm.HttpFilter:
    script = lua.Lua(default_source_code=core.DataSource(filename=SET_MODEL_PATH))
    return hcm.HttpFilter(name=LUA, typed_config=packed(script))
