"""Rules for what is recorded: decisions can be followed, and neither prompts nor credentials are written down."""

import re
from collections.abc import Iterator

from sidecar.config.finding import Severity
from sidecar.envoyconfig.checks.ext_proc import CREDENTIALS
from sidecar.envoyconfig.finding import Fault, Rule
from sidecar.envoyconfig.parts.names import METADATA_NAMESPACE
from sidecar.envoyconfig.reading.document import Node
from sidecar.envoyconfig.reading.gateway import Gateway

_LOG_FILES = ("FileAccessLog", "StdoutAccessLog", "StderrAccessLog")
_FORMATS = ("log_format", "format", "json_format", "typed_json_format")

# %REQ(NAME)%, %REQ(NAME?OTHER)%, with or without a length.
_REQUEST_HEADER = re.compile(r"%REQ\(([^)]*)\)", re.IGNORECASE)
_PATH_WITH_QUERY = re.compile(r"%REQ\([^)]*:path\)|%PATH(?:\((?!NQ)[^)]*\))?%", re.IGNORECASE)

_RECORDERS = ("tap.v3.Tap",)


def _format(config: Node) -> tuple[Node, str]:
    """The format of a log in a file, as one text; empty if it is Envoy's own."""
    node = next((config.at(name) for name in _FORMATS if config.at(name).is_set), config.at("log_format"))
    return node, " ".join(it.text() for it in node.walk())


def _untraced(gateway: Gateway) -> Iterator[Fault]:
    for edge in gateway.edges:
        tracing = edge.listener.http.at("tracing")
        if not tracing.at("provider").is_set:
            yield Fault(tracing, f"listener {edge.listener.name!r} has no tracing")


def _traced(gateway: Gateway) -> Iterator[Node]:
    return (it for edge in gateway.edges if (it := edge.listener.http.at("tracing")).at("provider").is_set)


def _untagged(gateway: Gateway) -> Iterator[Fault]:
    for tracing in _traced(gateway):
        tags = tracing.at("custom_tags")
        sources = [it.at("metadata", "metadata_key", "key").text() + it.at("value").text() for it in tags.items()]
        if not any(METADATA_NAMESPACE in source for source in sources):
            yield Fault(tags, f"no tag of the trace is from the metadata {METADATA_NAMESPACE}")


def _one_span(gateway: Gateway) -> Iterator[Fault]:
    for tracing in _traced(gateway):
        spawn = tracing.at("spawn_upstream_span")
        if spawn.flag() is not True:
            yield Fault(spawn, "spawn_upstream_span is not true")


def _unlogged(gateway: Gateway) -> Iterator[Fault]:
    for edge in gateway.edges:
        if not edge.listener.access_logs:
            yield Fault(edge.listener.http.at("access_log"), f"listener {edge.listener.name!r} has no access log")


def _log_files(gateway: Gateway) -> Iterator[tuple[Node, str]]:
    """The formats of the edges' logs that are written to files."""
    for edge in gateway.edges:
        for type_, config in edge.listener.access_logs:
            if type_.endswith(_LOG_FILES):
                yield _format(config)


def _undecided_logs(gateway: Gateway) -> Iterator[Fault]:
    formats = list(_log_files(gateway))
    if formats and not any(METADATA_NAMESPACE in text for _, text in formats):
        yield Fault(formats[0][0], f"the access log has nothing from the metadata {METADATA_NAMESPACE}")


def _queries(gateway: Gateway) -> Iterator[Fault]:
    for node, text in _log_files(gateway):
        if not text:
            yield Fault(node, "the access log has Envoy's own format, with the query of each path")
        for part in node.walk():
            found = _PATH_WITH_QUERY.search(part.text())
            if found:
                yield Fault(part, f"the access log has the query of each path ({found[0]})")


def _recorded_credentials(gateway: Gateway) -> Iterator[Fault]:
    for listener in gateway.passed_listeners:
        for _, config in listener.access_logs:
            for part in config.walk():
                named = [it for match in _REQUEST_HEADER.finditer(part.text()) for it in match[1].lower().split("?")]
                yield from _credential_faults(part, named)
            for name in ("additional_request_headers_to_log", "additional_response_headers_to_log"):
                for header in config.at(name).items():
                    yield from _credential_faults(header, [header.text().lower()])
        for tag in listener.http.at("tracing", "custom_tags").items():
            header = tag.at("request_header", "name")
            yield from _credential_faults(header, [header.text().lower()])


def _credential_faults(node: Node, names: list[str]) -> Iterator[Fault]:
    for name in names:
        if name in CREDENTIALS:
            yield Fault(node, f"{name} is recorded")


def _recorded_bodies(gateway: Gateway) -> Iterator[Fault]:
    for listener in gateway.passed_listeners:
        for filter_ in listener.filters:
            if filter_.type.endswith(_RECORDERS):
                yield Fault(filter_.node, f"filter {filter_.name!r} records requests and answers")


RULES = (
    Rule(
        "tracing",
        Severity.WARNING,
        _untraced,
        reason="Without it the sidecar's decision spans stand alone, and no trace shows the attempts.",
        fix="tracing: {provider: envoy.tracers.opentelemetry, random_sampling: …, spawn_upstream_span: true}",
    ),
    Rule(
        "tracing-tags",
        Severity.WARNING,
        _untagged,
        reason="Traces cannot be searched by model, tier, reason or decision.",
        fix=f"custom_tags: [{{tag: llm.router.model, metadata: {{kind: {{request: {{}}}}, "
        f"metadata_key: {{key: {METADATA_NAMESPACE}, path: [{{key: model}}]}}}}}}, …]",
    ),
    Rule(
        "tracing-attempts",
        Severity.WARNING,
        _one_span,
        reason="With it each attempt has a span of its own: which models were tried, and how long each took.",
        fix="spawn_upstream_span: true",
    ),
    Rule(
        "access-log",
        Severity.WARNING,
        _unlogged,
        reason="Without a line per request nobody can tell afterwards which model answered, and why.",
        fix="access_log: [envoy.access_loggers.stdout, with a json_format]",
    ),
    Rule(
        "access-log-decision",
        Severity.WARNING,
        _undecided_logs,
        reason="A line without decision_id, tier and reason cannot be joined with the sidecar's record.",
        fix=f'"%DYNAMIC_METADATA({METADATA_NAMESPACE}:decision_id)%", and the same for model, tier, reason',
    ),
    Rule(
        "access-log-query",
        Severity.WARNING,
        _queries,
        reason="Some APIs take keys in the query (?key=…): they would stand in the log.",
        fix='"%PATH(NQ)%"',
    ),
    Rule(
        "credentials-recorded",
        Severity.ERROR,
        _recorded_credentials,
        reason="Logs and traces are read by many, and kept: a credential in them is given away.",
        fix="remove it",
    ),
    Rule(
        "prompts-recorded",
        Severity.WARNING,
        _recorded_bodies,
        reason="A tap writes prompts and answers down, and what they contain is the clients'.",
        fix="remove the filter, or have it only for as long as a fault is looked for",
    ),
)
