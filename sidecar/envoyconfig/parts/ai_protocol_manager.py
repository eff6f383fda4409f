"""Envoy's filter `ai_protocol_manager`, which envoy-data-plane 2.2 does not have yet: as much of it as we write.

As Envoy 1.40.0 declares it in
envoy/extensions/filters/http/ai_protocol_manager/v3/ai_protocol_manager.proto: the names and numbers of its fields.
"""

import betterproto2
from pydantic.dataclasses import dataclass

from sidecar.envoyconfig.parts.messages import core, default_message_pool

_PACKAGE = "envoy.extensions.filters.http.ai_protocol_manager.v3"


@dataclass(eq=False, repr=False, config={"extra": "forbid"})
class TokenUsageExtraction(betterproto2.Message):
    """Which answers are read for the tokens that the provider reports."""

    include_unconfigured_routes: bool = betterproto2.field(1, betterproto2.TYPE_BOOL)
    metadata_namespace: str = betterproto2.field(3, betterproto2.TYPE_STRING)


@dataclass(eq=False, repr=False, config={"extra": "forbid"})
class ResponseHandling(betterproto2.Message):
    """What is done with answers."""

    token_usage: TokenUsageExtraction | None = betterproto2.field(1, betterproto2.TYPE_MESSAGE, optional=True)


@dataclass(eq=False, repr=False, config={"extra": "forbid"})
class AiProtocolManager(betterproto2.Message):
    """Understands the APIs of language models."""

    response_handling: ResponseHandling | None = betterproto2.field(2, betterproto2.TYPE_MESSAGE, optional=True)
    filters: list[core.TypedExtensionConfig] = betterproto2.field(3, betterproto2.TYPE_MESSAGE, repeated=True)


if f"type.googleapis.com/{_PACKAGE}.AiProtocolManager" not in default_message_pool.url_to_type:
    for _message in (TokenUsageExtraction, ResponseHandling, AiProtocolManager):
        default_message_pool.register_message(_PACKAGE, _message.__name__, _message)
