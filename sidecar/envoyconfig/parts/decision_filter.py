"""The ext_proc filter: how Envoy asks the sidecar, what it shows it, and what it lets it change."""

from collections.abc import Set as AbstractSet
from datetime import timedelta

from sidecar.envoyconfig.parts.messages import (
    core,
    ext_proc,
    extension,
    hcm,
    matcher,
    mutation_rules,
    packed,
    previous_hosts,
    regex,
)
from sidecar.envoyconfig.parts.names import EXT_PROC, METADATA_NAMESPACE, SIDECAR

_HeaderMode = ext_proc.ProcessingModeHeaderSendMode
_BodyMode = ext_proc.ProcessingModeBodySendMode

_CREDENTIALS = ("authorization", "proxy-authorization", "x-api-key", "api-key", "x-goog-api-key", "cookie")
"""The sidecar has no use for them, unless the policy reads one."""

# Its own headers, the length of the body that it rewrote, the type of an error.
_MAY_SET = "^(x-llm-.*|content-length|content-type)$"


def decision_filter(wanted_headers: AbstractSet[str]) -> hcm.HttpFilter:
    """Asks the sidecar, and goes on without it where there is none. `wanted_headers`: those that the policy reads."""
    hidden = [name for name in _CREDENTIALS if name not in wanted_headers]
    settings = ext_proc.ExternalProcessor(
        stat_prefix=SIDECAR,
        failure_mode_allow=True,
        message_timeout=timedelta(seconds=0.1),
        grpc_service=core.GrpcService(
            envoy_grpc=core.GrpcServiceEnvoyGrpc(cluster_name=SIDECAR),
            timeout=timedelta(0),
            retry_policy=_ask_another_worker(),
        ),
        processing_mode=ext_proc.ProcessingMode(
            request_header_mode=_HeaderMode.SEND,
            request_body_mode=_BodyMode.BUFFERED,  # other modes race with the choice of the route
            request_trailer_mode=_HeaderMode.SKIP,
            response_header_mode=_HeaderMode.SKIP,
            response_body_mode=_BodyMode.NONE,
            response_trailer_mode=_HeaderMode.SKIP,
        ),
        allow_mode_override=True,
        metadata_options=ext_proc.MetadataOptions(
            receiving_namespaces=ext_proc.MetadataOptionsMetadataNamespaces(untyped=[METADATA_NAMESPACE])
        ),
        forward_rules=ext_proc.HeaderForwardingRules(
            disallowed_headers=matcher.ListStringMatcher(
                patterns=[matcher.StringMatcher(exact=name) for name in hidden]
            )
        ),
        mutation_rules=mutation_rules.HeaderMutationRules(disallow_all=True, allow_expression=regex(_MAY_SET)),
    )
    return hcm.HttpFilter(name=EXT_PROC, typed_config=packed(settings))


def _ask_another_worker() -> core.RetryPolicy:
    """For a worker that died between two health checks."""
    predicate = extension("envoy.retry_host_predicates.previous_hosts", previous_hosts.PreviousHostsPredicate())
    return core.RetryPolicy(
        retry_on="unavailable,connect-failure,reset,refused-stream",
        num_retries=2,
        retry_back_off=core.BackoffStrategy(
            base_interval=timedelta(milliseconds=5), max_interval=timedelta(milliseconds=10)
        ),
        # The dead one has no requests under way, so the balancer draws it first, again and again.
        host_selection_retry_max_attempts=30,
        retry_host_predicate=[
            core.RetryPolicyRetryHostPredicate(name=predicate.name, typed_config=predicate.typed_config)
        ],
    )
