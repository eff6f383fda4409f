"""The parts that many models or routes have in common, by the name under which the file writes each once."""

from collections.abc import Iterable, Mapping

import betterproto2

from sidecar.envoyconfig.parts.chat_routes import ChatRoute
from sidecar.envoyconfig.parts.clusters import http2, in_process, last_filter, no_breakers, no_panic
from sidecar.envoyconfig.parts.edge_routes import carries_a_prompt, no_sidecar
from sidecar.envoyconfig.parts.local_replies import anthropic_shaped, shared_mappers
from sidecar.envoyconfig.parts.messages import protobuf
from sidecar.envoyconfig.parts.models import anthropic_version
from sidecar.envoyconfig.parts.provider_clusters import (
    breakers,
    by_dns,
    checked_tls,
    ejection,
    http_with_key,
    keepalive,
)
from sidecar.envoyconfig.parts.retries import failover, first_byte, same_model
from sidecar.envoyconfig.parts.upstreams import Upstream
from sidecar.envoyconfig.text.tree import Tree, to_tree

Part = betterproto2.Message | Mapping[str, protobuf.Any]


def shared_parts(chats: list[ChatRoute], upstreams: Iterable[Upstream], *, is_basic: bool) -> dict[str, Tree]:
    """Trees by name. A change of the one that is written changes it for all."""
    parts: dict[str, Part] = {
        **shared_mappers(),
        "anthropic-shaped": anthropic_shaped(),
        "carries-a-prompt": carries_a_prompt(),
        "no-sidecar": no_sidecar(),
        "first-byte": first_byte(),
        "anthropic-version": anthropic_version(),
        "in-process": in_process(),
        "no-breakers": no_breakers(),
        "upstream-codec": last_filter(),
        "dns": by_dns(),
        "breakers": breakers(),
        "ejection": ejection(),
        "no-panic": no_panic(),
        "keepalive": keepalive(),
        "http2": http2(),
    }
    parts |= {"retries": same_model()} if is_basic else {"failover": failover(chats)}
    for upstream in upstreams:
        if upstream.is_tls:
            parts[f"{upstream.slug}-tls"] = checked_tls(upstream)
        parts[f"{upstream.slug}-key" if upstream.key_file else "no-key"] = http_with_key(upstream)
    return {name: _tree(part) for name, part in parts.items()}


def _tree(part: Part) -> Tree:
    if isinstance(part, betterproto2.Message):
        return to_tree(part)
    return {name: to_tree(message) for name, message in part.items()}
