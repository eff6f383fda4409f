"""The routes of the listener `edge`: which requests the policy decides, which pass as they are, which are refused."""

import json
from collections.abc import Sequence
from datetime import timedelta

from sidecar.envoyconfig.parts.chat_routes import ChatRoute
from sidecar.envoyconfig.parts.messages import append_header, core, ext_proc, matcher, packed, protobuf, regex, route
from sidecar.envoyconfig.parts.names import (
    API_HEADER,
    CLUSTER_HEADER,
    DECISION_ID_HEADER,
    EDGE,
    EXT_PROC,
    MAX_BODY_BYTES,
    MODEL_HEADER,
    MODELS,
    REASON_HEADER,
    TIER_HEADER,
    from_metadata,
)
from sidecar.envoyconfig.parts.retries import failover, first_of_plan, same_model
from sidecar.routing.api import Api, Endpoint
from sidecar.routing.policy import Model

_NEVER = timedelta(0)  # a stream may last as long as it flows; the limits are in the retry policy

_ODD_ENDING = "/*([;%].*)?"  # still the same path to many servers

_METHODS_WITHOUT_PROMPT = "GET|HEAD|DELETE|OPTIONS"


def edge_routes(chats: Sequence[ChatRoute], unspoken: Sequence[Api], *, is_basic: bool) -> route.RouteConfiguration:
    """`chats`, `unspoken`: all chat requests that there are, and those in the shape of no model."""
    fallbacks = {chat.api: chat.default.cluster for chat in reversed(chats)}
    of_chats = [it for chat in chats for it in (_basic(chat) if is_basic else _resilient(chat, chats))]
    host = route.VirtualHost(
        name="llm",
        domains=["*"],
        response_headers_to_add=[
            append_header(TIER_HEADER, from_metadata("tier")),
            append_header(REASON_HEADER, from_metadata("reason")),
            append_header(DECISION_ID_HEADER, from_metadata("decision_id")),
        ],
        routes=[
            *of_chats,
            _list_models(fallbacks),
            *(_refuse(f"{api}-not-spoken", _chat_match(api), _unspoken_error(api)) for api in unspoken),
            *_others(fallbacks),
            _refuse("not-an-api", route.RouteMatch(prefix="/"), _unknown_path_error()),
        ],
    )
    return route.RouteConfiguration(name=EDGE, virtual_hosts=[host])


def carries_a_prompt() -> route.HeaderMatcher:
    """Every method that could."""
    method = matcher.StringMatcher(safe_regex=regex(_METHODS_WITHOUT_PROMPT))
    return route.HeaderMatcher(name=":method", string_match=method, invert_match=True)


def no_sidecar() -> dict[str, protobuf.Any]:
    """Filter settings of a route whose requests the sidecar does not see."""
    return {EXT_PROC: packed(ext_proc.ExtProcPerRoute(disabled=True))}


def _resilient(chat: ChatRoute, chats: Sequence[ChatRoute]) -> list[route.Route]:
    """The decision's plan, or the whole list in the order of the default plan.

    Where not all of them may answer what nobody has looked at, the list for that is a route of its own.
    """
    decided = _planned(chat.models, chats)
    if not chat.is_choosy:
        return [_chat_route(chat.name, chat, decided, [carries_a_prompt()])]
    default = _planned(chat.default_plan, chats)
    return _decided_or_not(chat, decided, default)


def _planned(models: Sequence[Model], chats: Sequence[ChatRoute]) -> route.RouteAction:
    return route.RouteAction(inline_cluster_specifier_plugin=first_of_plan(models), retry_policy=failover(chats))


def _basic(chat: ChatRoute) -> list[route.Route]:
    """The model that the sidecar chose, or the fallback."""
    chosen = route.RouteAction(cluster_header=CLUSTER_HEADER, retry_policy=same_model())
    default = route.RouteAction(cluster=chat.default.cluster, retry_policy=same_model())
    return _decided_or_not(chat, chosen, default)


def _decided_or_not(chat: ChatRoute, decided: route.RouteAction, default: route.RouteAction) -> list[route.Route]:
    """The first is for what the sidecar has decided: it sets a header and makes Envoy pick the route again."""
    is_decided = route.HeaderMatcher(name=CLUSTER_HEADER, present_match=True)
    return [
        _chat_route(chat.name, chat, decided, [carries_a_prompt(), is_decided]),
        _chat_route(f"{chat.name}-fallback", chat, default, [carries_a_prompt()]),
    ]


def _chat_route(
    name: str, chat: ChatRoute, action: route.RouteAction, headers: list[route.HeaderMatcher]
) -> route.Route:
    # A host of the client's that HTTP/2 finds malformed would end the connection that all attempts share.
    action.host_rewrite_literal = MODELS
    action.timeout = _NEVER
    match = _path_match(chat.endpoints)
    match.headers = headers
    return route.Route(
        name=name,
        match=match,
        request_body_buffer_limit=MAX_BODY_BYTES,
        request_headers_to_add=[append_header(API_HEADER, chat.api.value)],  # for set_model.lua
        route=action,
    )


def _list_models(fallbacks: dict[Api, str]) -> route.Route:
    """Which models there are is for the sidecar to say; without it the fallback's provider answers."""
    get = route.HeaderMatcher(name=":method", string_match=matcher.StringMatcher(exact="GET"))
    return route.Route(
        name="list-models",
        match=route.RouteMatch(safe_regex=regex(f"(?i)/v1/models{_ODD_ENDING}"), headers=[get]),
        response_headers_to_remove=[MODEL_HEADER],
        route=_pass_to(_rest_of(fallbacks)),
    )


def _others(fallbacks: dict[Api, str]) -> list[route.Route]:
    """What is no chat goes to the fallback's provider as it is: not to the sidecar, not buffered."""
    rest = Api.OPENAI if Api.OPENAI in fallbacks else Api.ANTHROPIC
    prefixes = {Api.ANTHROPIC: "/v1/messages", rest: "/v1/"}
    return [
        route.Route(
            name=f"{api}-other",
            match=route.RouteMatch(prefix=prefix, case_sensitive=False),
            typed_per_filter_config=no_sidecar(),
            response_headers_to_remove=[MODEL_HEADER],
            route=_pass_to(fallbacks[api]),
        )
        for api, prefix in prefixes.items()
        if api in fallbacks
    ]


def _rest_of(fallbacks: dict[Api, str]) -> str:
    return fallbacks.get(Api.OPENAI) or fallbacks[Api.ANTHROPIC]


def _pass_to(cluster: str) -> route.RouteAction:
    return route.RouteAction(cluster=cluster, timeout=_NEVER, host_rewrite_literal=MODELS)


def _refuse(name: str, match: route.RouteMatch, error: dict[str, object]) -> route.Route:
    text = json.dumps(error, separators=(",", ":"))
    return route.Route(
        name=name,
        match=match,
        typed_per_filter_config=no_sidecar(),
        direct_response=route.DirectResponseAction(status=404, body=core.DataSource(inline_string=text)),
        response_headers_to_add=[append_header("content-type", "application/json")],
    )


def _unknown_path_error() -> dict[str, object]:
    return _openai_error("unknown path; the API is under /v1/")


def _unspoken_error(api: Api) -> dict[str, object]:
    message = "no model of this gateway speaks this API"
    if api is Api.ANTHROPIC:
        return {"type": "error", "error": {"type": "not_found_error", "message": message}}
    return _openai_error(message)


def _openai_error(message: str) -> dict[str, object]:
    return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": "unknown_url"}}


def _chat_match(api: Api) -> route.RouteMatch:
    return _path_match([endpoint for endpoint in Endpoint if endpoint.api is api])


def _path_match(endpoints: Sequence[Endpoint]) -> route.RouteMatch:
    paths = endpoints[0].value if len(endpoints) == 1 else f"({'|'.join(endpoints)})"
    return route.RouteMatch(safe_regex=regex(f"(?i)/v1/{paths}{_ODD_ENDING}"))
