"""Rules for other ext_proc filters on the way of a chat request."""

from collections.abc import Iterator

from sidecar.config.finding import Severity
from sidecar.envoyconfig.finding import Fault, Rule
from sidecar.envoyconfig.reading.edges import BODY_MODES, EXT_PROC
from sidecar.envoyconfig.reading.gateway import Gateway


def _held_answers(gateway: Gateway) -> Iterator[Fault]:
    for filter_ in gateway.other_ext_procs():
        mode = filter_.config.at("processing_mode", "response_body_mode")
        may_change = filter_.config.at("allow_mode_override").flag() is True
        if mode.word(BODY_MODES).startswith("BUFFERED") and not may_change:
            yield Fault(mode, f"filter {filter_.name!r} buffers every answer, streams too")


def _upstream(gateway: Gateway) -> Iterator[Fault]:
    for cluster in (*gateway.attempt_clusters, *gateway.provider_clusters()):
        for filter_ in cluster.filters:
            if filter_.type == EXT_PROC:
                yield Fault(filter_.node, f"cluster {cluster.name!r} asks an ext_proc server on each attempt")


RULES = (
    Rule(
        "ext-proc-buffered-answers",
        Severity.ERROR,
        _held_answers,
        reason="A stream's first event would come with its last. A filter that reads whole answers has to let "
        "streams go, by a mode override.",
        fix="allow_mode_override: true, and an override to NONE for text/event-stream",
    ),
    Rule(
        "ext-proc-upstream",
        Severity.WARNING,
        _upstream,
        reason="In a cluster it cannot fail open: what it should have rewritten stays as it was, or the attempt is "
        "a 500.",
        fix="what a model needs in its route of the internal listener",
    ),
)
