"""Rules for the text itself: what Envoy would not read, or would read as something else."""

from collections.abc import Callable, Iterator

from sidecar.config.finding import Severity
from sidecar.envoyconfig.finding import Fault, Rule
from sidecar.envoyconfig.reading.gateway import Gateway
from sidecar.envoyconfig.reading.shape import Misfit


def _of(misfit: Misfit) -> Callable[[Gateway], Iterator[Fault]]:
    def find(gateway: Gateway) -> Iterator[Fault]:
        return (Fault(it.node, it.message, it.fix) for it in gateway.shape if it.misfit is misfit)

    return find


def _unreadable_key_files(gateway: Gateway) -> Iterator[Fault]:
    for file in gateway.secret_files.values():
        if file.problem is not None:
            node, message = file.problem
            yield Fault(node, message)


def _second_documents(gateway: Gateway) -> Iterator[Fault]:
    if gateway.document.second is not None:
        yield Fault(gateway.document.second, "a second document starts here")


SYNTAX = Rule(
    "yaml-syntax",
    Severity.ERROR,
    _unreadable_key_files,
    reason="Envoy does not start with a file that it cannot read.",
    fix="mend the YAML (or JSON) here",
)

RULES = (
    SYNTAX,
    Rule(
        "yaml-duplicate-key",
        Severity.ERROR,
        _of(Misfit.DUPLICATE_KEY),
        reason="Envoy takes the last of them and says nothing of the others.",
        fix="keep one",
    ),
    Rule(
        "yaml-merge-key",
        Severity.ERROR,
        _of(Misfit.MERGE_KEY),
        reason="Envoy knows anchors and aliases but no merge keys: it looks for a field named << and does not start.",
        fix="write the keys out, or give a whole block an anchor (&name) and use it as *name",
    ),
    Rule(
        "yaml-second-document",
        Severity.WARNING,
        _second_documents,
        reason="Envoy reads the first document of a file and ignores the rest.",
        fix="move it into the first document, or out of the file",
    ),
    Rule(
        "unknown-field",
        Severity.ERROR,
        _of(Misfit.UNKNOWN_FIELD),
        reason="Envoy does not start with a field that it does not know.",
        fix="correct the name, or remove it",
    ),
    Rule(
        "wrong-type",
        Severity.ERROR,
        _of(Misfit.WRONG_TYPE),
        reason="Envoy does not start with a value of another type. It reads y, n, yes, no, on, off as booleans.",
        fix="write a value of the type that is expected",
    ),
    Rule(
        "unknown-value",
        Severity.ERROR,
        _of(Misfit.UNKNOWN_WORD),
        reason="Envoy does not start with a word that its enum does not have.",
        fix="write one of the enum's words",
    ),
    Rule(
        "exclusive-fields",
        Severity.ERROR,
        _of(Misfit.EXCLUSIVE_FIELDS),
        reason="They are alternatives (a oneof): Envoy does not start with two of them.",
        fix="keep one",
    ),
    Rule(
        "unknown-type",
        Severity.ERROR,
        _of(Misfit.UNKNOWN_TYPE),
        reason="Envoy does not start with an @type that it does not have.",
        fix="correct the @type",
    ),
    Rule(
        "missing-type",
        Severity.ERROR,
        _of(Misfit.MISSING_TYPE),
        reason="An extension's configuration says by its @type what it is; Envoy does not start without it.",
        fix='"@type": type.googleapis.com/… as the first key',
    ),
    Rule(
        "type-not-checked",
        Severity.NOTE,
        _of(Misfit.UNJUDGED_TYPE),
        reason="It belongs to another build of Envoy, or to a version whose types are not known here.",
        fix="nothing; `envoy --mode validate` checks it",
    ),
)
