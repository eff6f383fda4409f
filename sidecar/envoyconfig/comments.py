"""What the rendered file says about itself: where its parts are, and what whoever edits it has to know."""

from collections.abc import Iterable
from pathlib import Path

from sidecar.envoyconfig.parts.chat_routes import ChatRoute
from sidecar.envoyconfig.parts.names import (
    ADMIN,
    CONFIG_FOLDER,
    EDGE,
    MODELS,
    OTLP,
    OUTCOMES,
    SIDECAR,
    SOCKET_FOLDER,
    STATUS,
    provider_cluster,
)
from sidecar.envoyconfig.parts.places import Places
from sidecar.envoyconfig.parts.upstreams import Upstream
from sidecar.envoyconfig.text import writing
from sidecar.routing.api import Api
from sidecar.routing.policy import Model

_RESILIENT = "an attempt that fails goes on to the next model of the plan. Envoy 1.40 or newer."
_BASIC = "the sidecar picks the model, retries stay on it. Envoy 1.38 or newer."

_HEADING_WIDTH = 100
_MANAGER: writing.Path = (
    "filter_chains",
    0,
    "filters",
    "envoy.filters.network.http_connection_manager",
    "typed_config",
)

_CEILING = """
A ceiling on the clients' connections. Size it to the memory: Envoy may hold the body of a chat request, up to 16 MiB,
for the sidecar, for the retries and for set_model.lua."""

_OF_EDGE = {
    "request_timeout": "For the client to send its whole body; raise it if large files come over slow links.",
    "stream_idle_timeout": "Silence in both directions, failed attempts included: above attempts * per_try_timeout.",
    "early_header_mutation_extensions": (
        "Only Envoy and the sidecar set x-llm-* and x-envoy-*. A client's own are gone before anything reads them,\n"
        "but for x-llm-tier and x-llm-max-cost, which are put aside meanwhile; the policy says who may set them."
    ),
    "local_reply_config": "Errors that Envoy itself answers, in the shape the client's SDK parses.",
    "access_log": (
        "`plan` is the model the sidecar chose first, `model` the one that answered. The second log is for the\n"
        "collector of the sidecar, which makes records, metrics and costs of it; without one its entries are lost."
    ),
    "http_filters": "A filter that authenticates the clients goes before ext_proc.",
}

_OF_MODELS = {
    "access_log": "One entry per attempt for the collector: what was tried, how it went, what it cost.",
    "http_filters": "Headers are logged as the route leaves them, it takes some off. The first filter keeps them.",
}

_OUTCOMES = """
The collector: one process, since what belongs to one request has to meet. One that hangs costs these buffers, per
Envoy worker, and then entries: access_logs.grpc_access_log.logs_dropped."""

_CHAT = "\nChat requests in the shape of {api} API. {how}"
_ONE_ROUTE = "The order of the models counts when there is no decision."
_TWO_ROUTES = "The first route is for those with a decision, the second for those without."
_CHOOSY = "The second has the models that may answer whatever comes: nobody looks at its requests."

_OWNERS = {Api.OPENAI: "OpenAI's", Api.ANTHROPIC: "Anthropic's"}

_OF_ROUTES = {
    "list-models": "\nWhich models there are is for the sidecar to say; without it the fallback's provider answers.",
    "openai-other": "\nAll else goes to the fallback's provider as it is. Delete the route to close it.",
    "anthropic-other": "\nAll else goes to the fallback's provider as it is. Delete the route to close it.",
    "not-an-api": "\n",
}


def header_of(upstreams: Iterable[Upstream], overlay: Path | None, places: Places, *, is_basic: bool) -> str:
    """The lines at the top."""
    name = "basic" if is_basic else "resilient"
    options = " --basic" * is_basic + (f" --overlay {overlay.name}" if overlay else "") + places.options()
    folders = sorted({f"{upstream.key_folder} (raw keys)" for upstream in upstreams if upstream.key_file})
    beside = "set_model.lua, *-key.yaml" if folders else "set_model.lua"
    files = [f"{CONFIG_FOLDER} ({beside})", *folders, f"{SOCKET_FOLDER} (sockets of the sidecar)"]
    lines = [
        f"The {name} gateway: {_BASIC if is_basic else _RESILIENT}",
        f"Rendered by `sidecar envoy POLICY{options}`.",
        "The next rendering knows nothing of edits made here: keep them in an overlay, see docs/envoy.md.",
        "",
        "One request passes two listeners of this Envoy:",
        "  edge     takes the client's request, asks the sidecar for a plan, carries it out with retries",
        "  models   gives each attempt what its model needs: model id in the body, host, path, key",
        f"Files it needs: {', '.join(files)}.",
        "A block marked &name stands again wherever *name is written.",
    ]
    return "".join(f"# {line}".rstrip() + "\n" for line in lines) + "\n"


def key_header(upstream: Upstream) -> str:
    """The lines at the top of a provider's SDS file."""
    return (
        f"# Where Envoy finds the key of {upstream.name}: a path, never the key itself.\n"
        "# The key file holds the raw key. Replace it by a rename or a symlink swap (the way Kubernetes\n"
        "# updates a mounted Secret) and Envoy sends the new key from the next request on.\n"
    )


def comments_on(models: Iterable[Model], chats: Iterable[ChatRoute], *, is_basic: bool) -> dict[writing.Path, str]:
    """Comments by the path of what they stand above; an empty line sets it apart."""
    listeners, clusters = ("static_resources", "listeners"), ("static_resources", "clusters")
    edge, inner = (*listeners, EDGE, *_MANAGER), (*listeners, MODELS, *_MANAGER)
    models = list(models)
    apart: list[writing.Path] = [
        ("admin",),
        ("bootstrap_extensions",),
        ("static_resources",),
        clusters,
        (*clusters, OTLP),
    ]
    apart += [(*inner, *_routes(MODELS), model.name) for model in models[1:]]
    apart += [(*clusters, name) for model in models for name in (model.cluster, provider_cluster(model.name))]
    return {
        **dict.fromkeys(apart, "\n"),
        ("overload_manager",): _CEILING,
        (*listeners, EDGE): _heading("edge: the clients' side"),
        (*listeners, MODELS): _heading("models: the providers' side, one pass per attempt"),
        (*listeners, STATUS): _heading("status: health and statistics; nothing else of the admin interface"),
        (*clusters, models[0].cluster): _heading("one attempt on a model: into `models`, with the model's name"),
        (*clusters, provider_cluster(models[0].name)): _heading("the providers: address, TLS, key, breaker"),
        (*clusters, SIDECAR): _heading("the sidecar, its collector and the trace collector"),
        (*clusters, OUTCOMES): _OUTCOMES,
        (*clusters, ADMIN): "\nThis Envoy itself, for the listener `status`.",
        **{(*edge, key): text for key, text in _OF_EDGE.items()},
        **{(*inner, key): text for key, text in _OF_MODELS.items()},
        **{(*edge, *_routes("llm"), chat.name): _of_chat(chat, is_basic=is_basic) for chat in chats},
        **{(*edge, *_routes("llm"), name): text for name, text in _OF_ROUTES.items()},
    }


def _of_chat(chat: ChatRoute, *, is_basic: bool) -> str:
    text = _CHAT.format(api=_OWNERS[chat.api], how=_TWO_ROUTES if is_basic or chat.is_choosy else _ONE_ROUTE)
    return f"{text}\n{_CHOOSY}" if chat.is_choosy and not is_basic else text


def _routes(virtual_host: str) -> writing.Path:
    return ("route_config", "virtual_hosts", virtual_host, "routes")


def _heading(text: str) -> str:
    return f"\n── {text} ".ljust(_HEADING_WIDTH, "─")
