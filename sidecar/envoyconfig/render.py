"""The whole of Envoy's configuration for a policy, as the text of files."""

from collections.abc import Iterable
from pathlib import Path

from sidecar.config.compile import Config
from sidecar.envoyconfig.comments import comments_on, header_of, key_header
from sidecar.envoyconfig.overlay import apply_overlay
from sidecar.envoyconfig.parts.chat_routes import ChatRoute, plan_chat_routes, unspoken_apis
from sidecar.envoyconfig.parts.clusters import attempt_cluster, otlp_cluster, outcomes_cluster, sidecar_cluster
from sidecar.envoyconfig.parts.edge import edge_listener
from sidecar.envoyconfig.parts.edge_routes import edge_routes
from sidecar.envoyconfig.parts.keys import key_file_name, key_secret
from sidecar.envoyconfig.parts.messages import bootstrap, cluster
from sidecar.envoyconfig.parts.models import models_listener
from sidecar.envoyconfig.parts.places import AS_SHIPPED, Places
from sidecar.envoyconfig.parts.process import whole_bootstrap
from sidecar.envoyconfig.parts.provider_clusters import provider_cluster_of
from sidecar.envoyconfig.parts.retries import count_attempts
from sidecar.envoyconfig.parts.status import admin_cluster, status_listener
from sidecar.envoyconfig.parts.upstreams import CannotRenderError, Upstream, read_upstreams
from sidecar.envoyconfig.shared import shared_parts
from sidecar.envoyconfig.shipped import shipped_file
from sidecar.envoyconfig.text.tree import to_tree
from sidecar.envoyconfig.text.writing import write_yaml
from sidecar.routing.policy import Policy

ENVOY_FILE = "envoy.yaml"
SET_MODEL_FILE = "set_model.lua"


def render_envoy(
    config: Config, *, is_basic: bool = False, overlay: Path | None = None, places: Places = AS_SHIPPED
) -> str:
    """Envoy's bootstrap for that policy, as YAML.

    `is_basic`: retries stay on the chosen model, for an Envoy that is older than 1.40. `overlay`: a file of edits, as
    `apply_overlay` takes it. `places`: other addresses than the shipped ones. Raises CannotRenderError for the policy
    and ConfigError for the overlay.
    """
    policy, upstreams, chats = config.policy, read_upstreams(config), plan_chat_routes(config.policy)
    tree = to_tree(_build(policy, upstreams, chats, places, is_basic=is_basic))
    if overlay is not None:
        tree = apply_overlay(tree, overlay)
    shared = shared_parts(chats, upstreams.values(), is_basic=is_basic)
    text = write_yaml(tree, shared, comments_on(policy.models.values(), chats, is_basic=is_basic))
    return header_of(upstreams.values(), overlay, places, is_basic=is_basic) + text


def render_files(
    config: Config, *, is_basic: bool = False, overlay: Path | None = None, places: Places = AS_SHIPPED
) -> dict[str, str]:
    """All files of Envoy's folder by name: the bootstrap, where each provider's key is, and set_model.lua."""
    with_key = [upstream for upstream in read_upstreams(config).values() if upstream.key_file]
    return {
        ENVOY_FILE: render_envoy(config, is_basic=is_basic, overlay=overlay, places=places),
        **{key_file_name(upstream): render_key(upstream) for upstream in with_key},
        SET_MODEL_FILE: shipped_file("envoy", SET_MODEL_FILE).read_text("utf-8"),
    }


def render_key(upstream: Upstream) -> str:
    """The SDS file of a provider that has a key."""
    return key_header(upstream) + write_yaml(to_tree(key_secret(upstream)), {}, {})


def _build(
    policy: Policy, upstreams: dict[str, Upstream], chats: list[ChatRoute], places: Places, *, is_basic: bool
) -> bootstrap.Bootstrap:
    routes = edge_routes(chats, unspoken_apis(policy), is_basic=is_basic)
    attempts = count_attempts(chats, is_basic=is_basic)
    edge = edge_listener(routes, attempts, policy.reader.wanted_headers, places)
    status = [status_listener(places.status)] if places.status else []
    listeners = [edge, models_listener(policy, upstreams, is_basic=is_basic), *status]
    clusters = [
        *map(attempt_cluster, policy.models.values()),
        *(provider_cluster_of(it, upstreams[it.provider], is_basic=is_basic) for it in policy.models.values()),
        sidecar_cluster(places.workers),
        outcomes_cluster(),
        *([otlp_cluster(places.otlp)] if places.otlp else []),
        *([admin_cluster(places.admin)] if places.status else []),
    ]
    _refuse_same_names(clusters)
    return whole_bootstrap(listeners, clusters, places.admin)


def _refuse_same_names(clusters: Iterable[cluster.Cluster]) -> None:
    names: set[str] = set()
    for name in (it.name for it in clusters):
        if name in names:
            raise CannotRenderError(f"two of Envoy's clusters would be named {name!r}: give a model another name")
        names.add(name)
