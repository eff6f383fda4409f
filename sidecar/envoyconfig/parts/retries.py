"""What happens to an attempt that fails, and which cluster each attempt goes to."""

from collections.abc import Sequence
from datetime import timedelta

from sidecar.envoyconfig.parts.chat_routes import ChatRoute
from sidecar.envoyconfig.parts.messages import extension, route
from sidecar.envoyconfig.parts.names import METADATA_NAMESPACE
from sidecar.envoyconfig.parts.priority_group import ClusterWeight, PriorityGroup, PriorityGroupClusterSpecifier
from sidecar.routing.policy import Model

FIRST_BYTE_SECONDS = 120
"""The longest that a model may take to begin its answer. Without `"stream": true` that is the whole generation."""

ATTEMPT_SECONDS = FIRST_BYTE_SECONDS + 10
"""The edge's own limit on an attempt. Above the models': one that hangs has to fail where it is counted."""

_RETRY_ON = "5xx,reset,connect-failure,refused-stream,retriable-status-codes"
_RATE_LIMITED = 429
_BASIC_RETRIES = 3
_FEWEST_RETRIES, _MOST_RETRIES = 3, 7  # the sidecar's plans have eight models at the most


def count_attempts(chats: Sequence[ChatRoute], *, is_basic: bool) -> int:
    """The most that one request may take: with failover a turn for each model of the longest plan, within reason."""
    retries = max(len(chat.models) for chat in chats) - 1
    return 1 + (_BASIC_RETRIES if is_basic else min(max(retries, _FEWEST_RETRIES), _MOST_RETRIES))


def failover(chats: Sequence[ChatRoute]) -> route.RetryPolicy:
    """Each retry takes the next model; past the plan's end, its last."""
    retry = _retry(count_attempts(chats, is_basic=False) - 1)
    retry.refresh_cluster_on_retry = True
    return retry


def same_model() -> route.RetryPolicy:
    """All retries on one model; a provider that says when to come back is taken at its word, up to 5 s."""
    retry = _retry(_BASIC_RETRIES)
    retry.rate_limited_retry_back_off = route.RetryPolicyRateLimitedRetryBackOff(
        reset_headers=[
            route.RetryPolicyResetHeader(name="retry-after", format=route.RetryPolicyResetHeaderFormat.SECONDS)
        ],
        max_interval=timedelta(seconds=5),
    )
    return retry


def first_byte() -> route.RetryPolicy:
    """No retry on the providers' side, only a limit on the time to the first byte."""
    return route.RetryPolicy(num_retries=0, per_try_timeout=timedelta(seconds=FIRST_BYTE_SECONDS))


def first_of_plan(models: Sequence[Model]) -> route.ClusterSpecifierPlugin:
    """Takes the plan from the decision: names of groups, in the order to try. Without one the order here counts."""
    groups = [
        PriorityGroup(name=model.cluster, clusters=[ClusterWeight(cluster_name=model.cluster, weight=1)])
        for model in models
    ]
    specifier = PriorityGroupClusterSpecifier(priority_groups=groups, override_metadata_namespace=METADATA_NAMESPACE)
    return route.ClusterSpecifierPlugin(
        extension=extension("envoy.router.cluster_specifier_plugin.priority_group", specifier)
    )


def _retry(retries: int) -> route.RetryPolicy:
    return route.RetryPolicy(
        retry_on=_RETRY_ON,
        retriable_status_codes=[_RATE_LIMITED],
        num_retries=retries,
        per_try_timeout=timedelta(seconds=ATTEMPT_SECONDS),
        per_try_idle_timeout=timedelta(seconds=300),  # reasoning models pause for minutes
        retry_back_off=route.RetryPolicyRetryBackOff(
            base_interval=timedelta(seconds=0.05), max_interval=timedelta(seconds=1)
        ),
    )
