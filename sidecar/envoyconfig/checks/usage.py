"""Rules for what is counted: tokens, read of the answers, and told to the log service."""

from collections.abc import Iterator

from sidecar.config.finding import Severity
from sidecar.envoyconfig.checks.inner import HEADER_TO_METADATA, removes
from sidecar.envoyconfig.checks.outcome_feed import LOG_SERVICE, service_logs
from sidecar.envoyconfig.finding import Fault, Rule
from sidecar.envoyconfig.reading.edges import EXT_PROC
from sidecar.envoyconfig.reading.elements import HttpFilter, HttpListener
from sidecar.envoyconfig.reading.gateway import Gateway

_AI_PROTOCOL_MANAGER = "envoy.extensions.filters.http.ai_protocol_manager.v3.AiProtocolManager"
_JSON_TO_METADATA = "envoy.extensions.filters.http.json_to_metadata.v3.JsonToMetadata"
_COMPRESSOR = "envoy.extensions.filters.http.compressor.v3.Compressor"
# Filters that write untyped metadata on every request.
_WRITING_METADATA = ("envoy.extensions.filters.http.set_metadata.v3.Config", HEADER_TO_METADATA)


def _counting(gateway: Gateway) -> Iterator[tuple[HttpListener, HttpFilter]]:
    """The filters that count tokens."""
    for listener in gateway.passed_listeners:
        for filter_ in listener.filters_of(_AI_PROTOCOL_MANAGER):
            yield listener, filter_


def _before_what_changes_answers(gateway: Gateway) -> Iterator[Fault]:
    for listener, filter_ in _counting(gateway):
        later = {it.type for it in listener.filters[listener.filters.index(filter_) :]}
        if listener.is_internal and EXT_PROC in later:
            yield Fault(filter_.node, f"{filter_.name!r} stands before an ext_proc filter")
        if _COMPRESSOR in later:
            yield Fault(filter_.node, f"{filter_.name!r} stands before a compressor")


def _untyped(gateway: Gateway) -> Iterator[Fault]:
    for listener, filter_ in _counting(gateway):
        if service_logs(listener) and not listener.filters_of(*_WRITING_METADATA):
            yield Fault(filter_.node, f"listener {listener.name!r} has no untyped metadata beside the token usage")


def _compressed(gateway: Gateway) -> Iterator[Fault]:
    for attempt in gateway.attempts:
        counting = attempt.inner.filters_of(_AI_PROTOCOL_MANAGER) if attempt.inner is not None else []
        if counting and attempt.levels and not removes(attempt, "accept-encoding"):
            yield Fault(counting[0].node, "providers may compress their answers (accept-encoding is passed on)")


def _content_types(gateway: Gateway) -> Iterator[Fault]:
    for listener in gateway.passed_listeners:
        for filter_ in listener.filters_of(_JSON_TO_METADATA):
            rules = filter_.config.at("response_rules")
            if rules.is_set and not rules.at("allow_content_types_regex").is_set:
                yield Fault(rules, "answers count only if their content type is application/json, to the letter")


def _removed_early(gateway: Gateway) -> Iterator[Fault]:
    for attempt in gateway.attempts:
        for type_, config in attempt.inner.access_logs if attempt.inner is not None and attempt.levels else ():
            for header in config.at("additional_request_headers_to_log").items():
                if type_ == LOG_SERVICE and removes(attempt, header.text().lower()):
                    yield Fault(header, f"{header.text()} is removed before it is logged")


RULES = (
    Rule(
        "token-usage-order",
        Severity.WARNING,
        _before_what_changes_answers,
        reason="It sees what the later filter has made of the answer: another status (460 for one to be tried again) "
        "or compressed bytes, and counts no tokens.",
        fix="list it after that filter, next to the router",
    ),
    Rule(
        "token-usage-untyped",
        Severity.WARNING,
        _untyped,
        reason="The log service is sent typed metadata only if there is some untyped as well: the usage is counted "
        "and never arrives.",
        fix="an envoy.filters.http.set_metadata filter with any constant namespace",
    ),
    Rule(
        "token-usage-encoding",
        Severity.WARNING,
        _compressed,
        reason="No tokens are counted in a compressed answer.",
        fix="accept-encoding in request_headers_to_remove of the internal listener",
    ),
    Rule(
        "token-usage-content-type",
        Severity.WARNING,
        _content_types,
        reason="Providers answer `application/json; charset=utf-8`, too: none of these would be counted.",
        fix='allow_content_types_regex: {regex: "^application/json.*"}',
    ),
    Rule(
        "log-removed-header",
        Severity.WARNING,
        _removed_early,
        reason="Envoy logs the headers as the route has left them: the entry lacks what it should be joined by.",
        fix="an envoy.filters.http.header_to_metadata filter that moves the header (remove: true), first in the "
        "listener",
    ),
)
