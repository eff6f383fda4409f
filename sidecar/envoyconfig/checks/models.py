"""Rules for the way to each model: every attempt arrives with its own model id, host and path."""

import json
import re
from collections.abc import Iterator
from urllib.parse import SplitResult, urlsplit

from sidecar.config.finding import Severity
from sidecar.envoyconfig.finding import Fault, Rule
from sidecar.envoyconfig.parts.names import API_HEADER, MODEL_HEADER, id_in_json
from sidecar.envoyconfig.parts.upstreams import DEFAULT_PORTS
from sidecar.envoyconfig.reading.attempts import Attempt
from sidecar.envoyconfig.reading.document import Node
from sidecar.envoyconfig.reading.edges import chooses_cluster, fixed_clusters
from sidecar.envoyconfig.reading.elements import HttpFilter, added_headers
from sidecar.envoyconfig.reading.gateway import Gateway
from sidecar.envoyconfig.reading.matching import is_surely_unmatched, substitute
from sidecar.envoyconfig.reading.secrets import read_companion

_LUA = "envoy.extensions.filters.http.lua.v3.Lua"
_LUA_NAMESPACE = "envoy.filters.http.lua"
# Filters that could set the model, too; what they do is not in the file.
_PROGRAMS = ("ext_proc.", "wasm.", "golang.", "dynamic_modules.")
_AI_PROTOCOL_MANAGER = "ai_protocol_manager."


def provider_url(gateway: Gateway, attempt: Attempt) -> SplitResult:
    """The URL of the model's provider in the policy."""
    return urlsplit(gateway.config.providers[attempt.model.provider].url)


def _unreached(gateway: Gateway) -> Iterator[Fault]:
    for attempt in gateway.attempts:
        if attempt.inner is None or attempt.route is not None or not attempt.inner.has_routes:
            continue
        place = attempt.virtual_host or attempt.inner.http
        if is_surely_unmatched(place.at("routes").items(), attempt.request):
            headers = ", ".join(f"{it.name}: {it.value}" for it in attempt.cluster.set_headers())
            yield Fault(
                place.at("routes"),
                f"no route of listener {attempt.inner.name!r} takes what cluster {attempt.cluster.name!r} sends "
                f"({headers or 'no header set'})",
            )


def _unconnected(gateway: Gateway) -> Iterator[Fault]:
    http = {it.name for it in gateway.listeners}
    for listener in gateway.root.at("static_resources", "listeners").items():
        name = listener.at("name").text()
        if listener.at("internal_listener").is_set and name not in http and name in _named_listeners(gateway):
            yield Fault(listener, f"the internal listener {name!r} has no HTTP connection manager")


def _named_listeners(gateway: Gateway) -> set[str]:
    addresses = [address for cluster in gateway.attempt_clusters for address in cluster.internal_addresses]
    return {address.at("server_listener_name").text() for address in addresses}


def _nowhere(gateway: Gateway) -> Iterator[Fault]:
    for _, route in _inner(gateway):
        if not fixed_clusters(route.at("route")) and not chooses_cluster(route.at("route")):
            yield Fault(route, f"route {route.at('name').text()!r} of the internal listener names no cluster")


def _direct(gateway: Gateway) -> Iterator[Fault]:
    for attempt in gateway.attempts:
        if attempt.is_direct:
            yield Fault(attempt.named_at, f"cluster {attempt.cluster.name!r} leads straight to a provider")


def _inner(gateway: Gateway) -> Iterator[tuple[Attempt, Node]]:
    """The attempts whose route in the internal listener is in the file."""
    return ((attempt, attempt.route) for attempt in gateway.attempts if attempt.route is not None)


def _model_ids(gateway: Gateway) -> Iterator[Fault]:
    for attempt, route in _inner(gateway):
        node = _model_id(attempt, route)
        wanted = id_in_json(attempt.model.id)
        if node is not None and node.text() != wanted:
            written = repr(node.text()) if node.is_set else "not set"
            message = f"the model id of {attempt.model.name} is {written}, and {wanted!r} in the policy"
            is_escaped = " as JSON escapes it: the body has it between quotes as it is" * (wanted != attempt.model.id)
            fix = f"metadata: filter_metadata: {_LUA_NAMESPACE}: {{model: {json.dumps(wanted, ensure_ascii=False)}}}"
            yield Fault(node, message + is_escaped, fix)


def _model_id(attempt: Attempt, route: Node) -> Node | None:
    """Where the route says it; None if nothing in the listener reads it there."""
    filters = attempt.inner.filters_of(_LUA) if attempt.inner is not None else []
    names = [it.name for it in filters if not _writes_itself(it, attempt.model.id)]
    metadata = route.at("metadata", "filter_metadata")
    found = [metadata.at(name, "model") for name in (*names, _LUA_NAMESPACE)]
    return next((it for it in found if it.is_set), found[0]) if names else None


def _writes_itself(lua: HttpFilter, id_: str) -> bool:
    """Whether the code of a filter has the id in it."""
    return re.search(rf"""["']{re.escape(id_)}["']""", _code(lua)) is not None


def _code(lua: HttpFilter) -> str:
    """The code of a filter, in the file or beside it; empty if it is not here."""
    source = lua.config.at("default_source_code")
    code = source.at("inline_string").text() or lua.config.at("inline_code").text()
    return code or read_companion(source.at("filename"))


def _unwritten(gateway: Gateway) -> Iterator[Fault]:
    for inner in gateway.inner_listeners:
        if not any(_may_write(filter_) for filter_ in inner.filters):
            yield Fault(
                inner.http.at("http_filters"), f"nothing in listener {inner.name!r} writes the model into the body"
            )


def _may_write(filter_: HttpFilter) -> bool:
    """Whether a filter could change the body of a request."""
    if _AI_PROTOCOL_MANAGER in filter_.type:  # which is there to count the tokens of answers, as a rule
        return filter_.config.at("request_handling").is_set or filter_.config.at("filters").is_set
    return filter_.type == _LUA or any(program in filter_.type for program in _PROGRAMS)


def _unmarked(gateway: Gateway) -> Iterator[Fault]:
    """Requests that set_model.lua would let pass unread: it looks at those with x-llm-api only."""
    for attempt in gateway.attempts:
        filters = attempt.inner.filters_of(_LUA) if attempt.inner is not None else []
        marked = attempt.request.headers.get(API_HEADER)
        if attempt.edge_route.is_stray or marked == attempt.endpoint.api:
            continue
        if any(API_HEADER in _code(it) for it in filters):
            place = attempt.edge_route.node.at("request_headers_to_add")
            message = f"{API_HEADER} is {marked or 'not set'} on the {attempt.endpoint.api} route"
            option = f"header: {{key: {API_HEADER}, value: {attempt.endpoint.api}}}"
            yield Fault(place, message, f"- {{{option}, append_action: OVERWRITE_IF_EXISTS_OR_ADD}}")


def _lua_sources(gateway: Gateway) -> Iterator[Fault]:
    for inner in gateway.inner_listeners:
        for lua in inner.filters_of(_LUA):
            sources = [lua.config.at(name) for name in ("default_source_code", "source_codes", "inline_code")]
            if not any(it.is_set for it in sources):
                yield Fault(lua.node, f"filter {lua.name!r} of listener {inner.name!r} has no source")


def _hosts(gateway: Gateway) -> Iterator[Fault]:
    for attempt, route in _inner(gateway):
        action = route.at("route")
        host = provider_url(gateway, attempt).netloc.rpartition("@")[2]
        literal = action.at("host_rewrite_literal")
        if action.at("auto_host_rewrite").flag() is True:
            continue  # the provider's address, which has a rule of its own
        if literal.text().lower() not in _spellings(provider_url(gateway, attempt)):
            written = repr(literal.text()) if literal.is_set else "not set"
            message = f"the host for {attempt.model.name} is {written}, and {host!r} in the policy"
            yield Fault(literal, message, f"host_rewrite_literal: {host}")


def _spellings(url: SplitResult) -> tuple[str, ...]:
    """Of the host that a request may be for: with the port or without."""
    bare = url.hostname or ""
    name = f"[{bare}]" if ":" in bare else bare
    return bare, name, f"{name}:{url.port or DEFAULT_PORTS[url.scheme]}"


def _paths(gateway: Gateway) -> Iterator[Fault]:
    for attempt, route in _inner(gateway):
        wanted = f"{provider_url(gateway, attempt).path.rstrip('/')}/{attempt.endpoint}"
        path, node = _rewritten(route, f"/v1/{attempt.endpoint}")
        if path is not None and path != wanted:
            message = f"/v1/{attempt.endpoint} becomes {path}, and {attempt.model.name} is at {wanted}"
            yield Fault(node, message, f"prefix_rewrite: {wanted.removesuffix(attempt.endpoint)} (with prefix: /v1/)")


def _rewritten(route: Node, path: str) -> tuple[str | None, Node]:
    """The path that a route makes of another, and where that is said; None if the file does not tell."""
    action, match = route.at("route"), route.at("match")
    prefix, regex = action.at("prefix_rewrite"), action.at("regex_rewrite")
    if action.at("path_rewrite_policy").is_set or action.at("path_rewrite").is_set:
        return None, action
    if regex.is_set:
        pattern, template = regex.at("pattern", "regex").text(), regex.at("substitution").text()
        return substitute(pattern, template, path), regex
    if prefix.is_set and match.at("safe_regex").is_set:
        return prefix.text(), prefix  # in place of all that the expression matches, which is the whole path
    if prefix.is_set:
        matched = match.at("prefix").text() or match.at("path").text() or match.at("path_separated_prefix").text()
        return prefix.text() + path[len(matched) :], prefix
    return path, prefix


def _names(gateway: Gateway) -> Iterator[Fault]:
    for attempt, route in _inner(gateway):
        header = added_headers("response_headers_to_add", attempt.levels).get(MODEL_HEADER)
        value = attempt.model.name
        option = f"header: {{key: {MODEL_HEADER}, value: {value}}}, append_action: OVERWRITE_IF_EXISTS_OR_ADD"
        fix = f"response_headers_to_add: [{{{option}}}]"
        if header is None:
            yield Fault(route.at("response_headers_to_add"), f"no {MODEL_HEADER} on the answers of {value}", fix)
        elif not header.overwrites:
            yield Fault(header.node, f"a provider's own {MODEL_HEADER} stays beside that of {value}", fix)
        elif header.value not in (value, attempt.model.id):
            yield Fault(header.node, f"{MODEL_HEADER} on the answers of {value} is {header.value!r}", fix)


def _appended(gateway: Gateway) -> Iterator[Fault]:
    for cluster in gateway.attempt_clusters:
        for header in cluster.set_headers():
            if not header.overwrites:
                yield Fault(header.node, f"{header.name} is added, not overwritten")


def _endpoint_ids(gateway: Gateway) -> Iterator[Fault]:
    owners: dict[tuple[str, str], str] = {}
    for cluster in gateway.attempt_clusters:
        for address in cluster.internal_addresses:
            id_ = address.at("endpoint_id")
            key = address.at("server_listener_name").text(), id_.text()
            if owners.setdefault(key, cluster.name) != cluster.name:
                yield Fault(
                    id_, f"clusters {owners[key]!r} and {cluster.name!r} have one endpoint_id, {id_.text()!r}"
                )


RULES = (
    Rule(
        "model-route",
        Severity.ERROR,
        _unreached,
        reason="Every attempt on this model ends with 404.",
        fix="a route whose match takes the header that the cluster sets (x-llm-target)",
    ),
    Rule(
        "model-listener",
        Severity.ERROR,
        _unconnected,
        reason="Nothing answers there: every attempt fails.",
        fix="filter_chains with an envoy.filters.network.http_connection_manager",
    ),
    Rule(
        "model-provider",
        Severity.ERROR,
        _nowhere,
        reason="The attempt ends here; it needs the cluster with the provider's address.",
        fix="cluster: the provider's cluster",
    ),
    Rule(
        "model-direct",
        Severity.WARNING,
        _direct,
        reason="An ejected host or a full breaker is then an answer (503) and no failed attempt: no other model is "
        "tried. Without a decision nothing puts the model's id into the body, either.",
        fix="a cluster with envoy_internal_address to an internal listener whose routes lead to the providers",
    ),
    Rule(
        "model-id",
        Severity.ERROR,
        _model_ids,
        reason="This id is written into the body of each attempt: another model than the plan's would answer, or "
        "none.",
        fix="the model's id in the policy, as route metadata",
    ),
    Rule(
        "model-writer",
        Severity.ERROR,
        _unwritten,
        reason="The body keeps the id of the plan's first model, or the client's `auto`: every attempt on another "
        "model is refused by its provider.",
        fix="an envoy.filters.http.lua filter with set_model.lua before the router",
    ),
    Rule(
        "model-writer-api",
        Severity.ERROR,
        _unmarked,
        reason="By this header set_model.lua knows a chat request, and the shape of an error; without it the body "
        "keeps the id of the plan's first model, or `auto`.",
        fix="request_headers_to_add with x-llm-api: openai or anthropic, on the chat route of the edge",
    ),
    Rule(
        "model-writer-source",
        Severity.ERROR,
        _lua_sources,
        reason="Without its code the filter does nothing: the body keeps the id of the plan's first model, or "
        "`auto`.",
        fix="default_source_code: {filename: /etc/envoy/set_model.lua}",
    ),
    Rule(
        "model-host",
        Severity.ERROR,
        _hosts,
        reason="Providers choose by the host who answers; with another one the request is refused.",
        fix="host_rewrite_literal: the host of the provider's url",
    ),
    Rule(
        "model-path",
        Severity.ERROR,
        _paths,
        reason="The provider's API is at another path: it would answer 404.",
        fix="prefix_rewrite: the path of the provider's url, in place of /v1",
    ),
    Rule(
        "model-header",
        Severity.WARNING,
        _names,
        reason="It tells the client, the access log and whoever looks for a fault which model has answered.",
        fix="x-llm-model: the model's name, as a response header of its route",
    ),
    Rule(
        "target-overwritten",
        Severity.ERROR,
        _appended,
        reason="Added to a header that is there already it matches no route, or the route that someone else chose.",
        fix="append_action: OVERWRITE_IF_EXISTS_OR_ADD (the default is to append)",
    ),
    Rule(
        "endpoint-id",
        Severity.WARNING,
        _endpoint_ids,
        reason="It is the host's name in /clusters and in %UPSTREAM_HOST%: with one for two models nobody sees "
        "which it was.",
        fix="endpoint_id: the cluster's name",
    ),
)
