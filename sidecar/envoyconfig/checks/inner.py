"""Rules for the internal listener: what it keeps from the providers, and from the clients what providers send."""

from collections.abc import Iterator, Sequence

from sidecar.config.finding import Severity
from sidecar.envoyconfig.checks.ext_proc import CREDENTIALS
from sidecar.envoyconfig.finding import Fault, Rule
from sidecar.envoyconfig.parts.names import CLUSTER_HEADER, DECISION_ID_HEADER, REASON_HEADER, TIER_HEADER
from sidecar.envoyconfig.reading.attempts import Attempt
from sidecar.envoyconfig.reading.document import Node
from sidecar.envoyconfig.reading.elements import added_headers, header_changes, header_mutations
from sidecar.envoyconfig.reading.gateway import Gateway
from sidecar.envoyconfig.reading.matching import matches_string

HEADER_TO_METADATA = "envoy.extensions.filters.http.header_to_metadata.v3.Config"

_CLIENT_ADDRESS = ("x-forwarded-for", "x-envoy-external-address")
# Read by the edge's router as this Envoy's own word.
_ENVOYS_ANSWERS = ("x-envoy-overloaded", "x-envoy-ratelimited")

_DECISION_HEADERS = (TIER_HEADER, REASON_HEADER, DECISION_ID_HEADER)
_UNAUTHORIZED = 401


def removes(attempt: Attempt, name: str) -> bool:
    """Whether a request header is taken off on the way of an attempt, before the provider sees it."""
    if _is_mutated_away(attempt, "request", name):
        return True
    for filter_ in attempt.inner.filters_of(HEADER_TO_METADATA) if attempt.inner is not None else ():
        for rule in filter_.config.at("request_rules").items():
            if rule.at("remove").flag() is True and rule.at("header").text().lower() == name:
                return True
    return False


def _is_mutated_away(attempt: Attempt, direction: str, name: str) -> bool:
    """Whether a route's list, or a header_mutation filter, removes a header of the request or of the response."""
    listed = header_changes(f"{direction}_headers_to_remove", *attempt.levels)
    filters = [
        *(attempt.inner.filters if attempt.inner else ()),
        *(attempt.provider.filters if attempt.provider else ()),
    ]
    mutations = header_mutations(filters, f"{direction}_mutations")
    return name in (it.text().lower() for it in listed) or any(takes_off(it, name) for it in mutations)


def takes_off(mutation: Node, name: str) -> bool:
    """Whether an entry of a header_mutation filter removes that header."""
    matcher = mutation.at("remove_on_match", "key_matcher")
    return mutation.at("remove").text().lower() == name or (matcher.is_set and matches_string(matcher, name) is True)


def _kept(gateway: Gateway, names: Sequence[str]) -> Iterator[tuple[Attempt, list[str]]]:
    """The attempts on whose way some of these request headers stay, and which."""
    for attempt in gateway.attempts:
        kept = [name for name in names if attempt.route is not None and not removes(attempt, name)]
        if kept:
            yield attempt, kept


def _place(attempt: Attempt, name: str) -> Node:
    """The list of the nearest level that has one; the virtual host if none has."""
    lists = [level.at(name) for level in attempt.levels]
    return next((it for it in lists if it.is_set), lists[1])


def _credentials(gateway: Gateway) -> Iterator[Fault]:
    for attempt, kept in _kept(gateway, CREDENTIALS):
        place = _place(attempt, "request_headers_to_remove")
        yield Fault(place, f"the provider is sent the client's own {', '.join(kept)}")


def _our_headers(gateway: Gateway) -> Iterator[Fault]:
    for attempt in gateway.attempts:
        kept = [name for name in _sent_inwards(attempt) if not removes(attempt, name)]
        if attempt.route is not None and kept:
            yield Fault(_place(attempt, "request_headers_to_remove"), f"the provider is sent {', '.join(kept)}")


def _sent_inwards(attempt: Attempt) -> list[str]:
    """The headers about routing that the sidecar, the edge and the cluster put on a request."""
    added = added_headers("request_headers_to_add", attempt.edge_route.levels)
    named = [*(it.name for it in attempt.cluster.set_headers()), *added]
    return list(dict.fromkeys((*(it for it in named if it.startswith("x-llm-")), CLUSTER_HEADER, DECISION_ID_HEADER)))


def _client_address(gateway: Gateway) -> Iterator[Fault]:
    for attempt, kept in _kept(gateway, _CLIENT_ADDRESS):
        place = _place(attempt, "request_headers_to_remove")
        yield Fault(place, f"the provider is sent the client's address ({', '.join(kept)})")


def _answers(gateway: Gateway) -> Iterator[Fault]:
    yield from _kept_answers(gateway, _ENVOYS_ANSWERS)


def _decisions(gateway: Gateway) -> Iterator[Fault]:
    yield from _kept_answers(gateway, _DECISION_HEADERS)


def _cookies(gateway: Gateway) -> Iterator[Fault]:
    yield from _kept_answers(gateway, ("set-cookie",))


def _kept_answers(gateway: Gateway, names: Sequence[str]) -> Iterator[Fault]:
    for attempt in gateway.attempts:
        kept = [name for name in names if not _is_mutated_away(attempt, "response", name)]
        if attempt.route is not None and kept:
            yield Fault(_place(attempt, "response_headers_to_remove"), f"a provider can send {', '.join(kept)}")


def _missing_keys(gateway: Gateway) -> Iterator[Fault]:
    for inner in gateway.inner_listeners:
        mappers = inner.http.at("local_reply_config", "mappers")
        if not any(_turns_401(mapper) for mapper in mappers.items()):
            yield Fault(mappers, f"listener {inner.name!r} answers 401 for a provider whose key is missing")


def _turns_401(mapper: Node) -> bool:
    """Whether a mapper makes a 5xx of Envoy's own 401."""
    codes = [node.at("status_code_filter", "comparison") for node in mapper.at("filter").walk()]
    is_401 = any(code.at("value", "default_value").number() == _UNAUTHORIZED for code in codes)
    return is_401 and (mapper.at("status_code").number() or 0) >= 500


def _malformed(gateway: Gateway) -> Iterator[Fault]:
    for inner in gateway.inner_listeners:
        own = inner.http.at("http2_protocol_options", "override_stream_error_on_invalid_http_message")
        of_all = inner.http.at("stream_error_on_invalid_http_message")
        if own.flag() is not True and of_all.flag() is not True:
            yield Fault(own, f"a malformed request ends a connection of listener {inner.name!r}")


RULES = (
    Rule(
        "client-credentials",
        Severity.ERROR,
        _credentials,
        reason="The client's key belongs to somebody else than this provider, and would be used instead of ours, or "
        "be read there.",
        fix=f"request_headers_to_remove: [{', '.join(CREDENTIALS)}] in the internal listener; the provider's key is "
        "added later, in its cluster",
    ),
    Rule(
        "our-headers",
        Severity.WARNING,
        _our_headers,
        reason="How requests are routed here is not the provider's business.",
        fix="list them in request_headers_to_remove of the internal listener",
    ),
    Rule(
        "client-address",
        Severity.WARNING,
        _client_address,
        reason="The address of a client is personal data that the provider has no use for.",
        fix="list x-forwarded-for and x-envoy-external-address in request_headers_to_remove of the internal listener",
    ),
    Rule(
        "provider-answers",
        Severity.WARNING,
        _answers,
        reason="The edge's router takes these headers for its own Envoy's, and gives up trying other models.",
        fix="list them in response_headers_to_remove of the internal listener",
    ),
    Rule(
        "provider-decisions",
        Severity.WARNING,
        _decisions,
        reason="On a request without a decision a provider's own word would pass for the sidecar's.",
        fix="list them in response_headers_to_remove of the internal listener",
    ),
    Rule(
        "provider-cookies",
        Severity.WARNING,
        _cookies,
        reason="The session with the provider is the gateway's; one client's cookie is not for all of them.",
        fix="set-cookie in response_headers_to_remove of the internal listener",
    ),
    Rule(
        "missing-key-reply",
        Severity.WARNING,
        _missing_keys,
        reason="A 401 is no reason for the edge to try another model: one key file that is missing or empty would "
        "be the client's error.",
        fix="a local_reply_config mapper in the internal listener that turns 401 into status_code: 503",
    ),
    Rule(
        "malformed-streams",
        Severity.WARNING,
        _malformed,
        reason="All attempts on a model share a connection: what is malformed should end its own stream only.",
        fix="http2_protocol_options: {override_stream_error_on_invalid_http_message: true} in the internal listener",
    ),
)
