"""The names of one policy file, and everything that is found wrong while they are resolved."""

from collections.abc import Collection, Iterable, Mapping

from sidecar.config.defaults import DEFAULT_INTENT_TIERS
from sidecar.config.document import ConfigError, Document, Loc, closest, suggest
from sidecar.config.finding import Finding
from sidecar.config.model_card import ModelCardError, read_labels
from sidecar.config.schema.policy_file import WrittenPolicy
from sidecar.routing.signals import TENANT

_MOST_SHOWN = 20


class Names:
    """What names stand for something, and what was found wrong so far."""

    def __init__(self, document: Document, written: WrittenPolicy) -> None:
        self.document = document
        self.written = written
        self.findings: list[Finding] = []
        self.labels = _read_labels(document, written)
        """The classifier's intents; None if it is a model of the policy's own that is not here."""
        signals = written.signals
        rules = [*written.rules, *(rule for virtual in written.virtual_models.values() for rule in virtual.rules)]
        self._known: Mapping[str, Collection[str]] = {
            "model": written.models,
            "model or virtual model": {**written.virtual_models, **written.models},
            "provider": written.providers,
            "header": signals.headers,
            "keyword list": signals.keywords,
            "pattern": signals.patterns,
            "intent": list(dict.fromkeys((*(self.labels or ()), *written.intents))),
            "rule": [rule.name for rule in rules],
            "arm": {arm for rule in rules if rule.split is not None for arm in rule.split.arms},
        }

    def fault(self, id_: str, loc: Loc, message: str, fix: str = "") -> None:
        """Note that something is wrong."""
        self.findings.append(self.document.finding(id_, loc, message, fix))

    def check(self, kind: str, name: str, loc: Loc) -> bool:
        """Whether there is one of that name; if not, that is noted."""
        known = self._known[kind]
        if name in known:
            return True
        self.fault("unknown-name", loc, f"no {kind} is named {name!r}{suggest(name, known)}", _fix(name, kind, known))
        return False

    def check_all(self, kind: str, names: Iterable[str] | None, loc: Loc) -> None:
        """Each of a list."""
        for index, name in enumerate(names or ()):
            self.check(kind, name, (*loc, index))

    def check_intents(self, names: Iterable[str] | None, loc: Loc) -> None:
        """Where the model's folder is elsewhere, nobody knows them yet."""
        if self.labels is not None:
            self.check_all("intent", names, loc)

    def need_tenants(self, loc: Loc, what: str) -> None:
        """Note it if nothing tells whose request one is."""
        if TENANT not in self.written.signals.headers:
            self.fault("tenant-unknown", loc, f"{what}, and nothing tells a request's tenant")

    def raise_if_faulty(self) -> None:
        """Raises ConfigError with everything that was noted, as it stands in the file."""
        if self.findings:
            raise ConfigError(tuple(sorted(self.findings, key=lambda finding: (finding.line, finding.column))))


def _read_labels(document: Document, written: WrittenPolicy) -> tuple[str, ...] | None:
    if written.classifier.model is None:
        return tuple(DEFAULT_INTENT_TIERS)
    try:
        return read_labels(document.file.parent / written.classifier.model)
    except ModelCardError:  # whoever loads the model says so
        return None


def _fix(name: str, kind: str, known: Collection[str]) -> str:
    close = closest(name, known)
    if close:
        return f"write `{close}`"
    if not known:
        return f"this file has no {kind} at all: add one"
    return f"write one of {', '.join(known)}" if len(known) <= _MOST_SHOWN else ""
