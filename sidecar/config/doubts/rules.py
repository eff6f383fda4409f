"""Rules and requirements that hold for less, or for more, than they seem to."""

from collections.abc import Iterator

from sidecar.config.compiling.models import apis_of
from sidecar.config.document import Loc, suggest
from sidecar.config.doubts.subject import Subject
from sidecar.config.finding import Finding
from sidecar.config.schema.conditions import When
from sidecar.config.schema.rules import WrittenAction, WrittenRequirement, WrittenRule
from sidecar.config.schema.signals import REQUEST


def find_requirements_in_rules(subject: Subject) -> Iterator[Finding]:
    """Behind another rule, a requirement holds only for what that leaves over."""
    rules = subject.written.rules
    for index, rule in enumerate(rules[1:], 1):
        if rule.require is not None and _asks_for_personal_data(rule.when):
            message = f"{rule.name} protects personal data only if no rule before it matches, as {rules[0].name} may"
            yield subject.doubt("requirement-in-rule", ("rules", index, "require"), message)


def _asks_for_personal_data(when: When | None) -> bool:
    if when is None:
        return False
    inner = (*(when.all or ()), *(when.any or ()), when.not_)
    return when.personal_data is not None or any(map(_asks_for_personal_data, inner))


def find_requirements_on_the_last_turn(subject: Subject) -> Iterator[Finding]:
    """What they look for may stand in an earlier turn, or in the result of a tool, and goes to the provider again."""
    signals = subject.written.signals
    lists = {**signals.keywords, **signals.patterns}
    for index, standing in enumerate(subject.written.requirements):
        for name in dict.fromkeys(_lists_in(standing.when)):
            if name in lists and lists[name].in_ != REQUEST:
                message = f"{standing.name} holds only for requests whose last turn has {name}"
                yield subject.doubt("requirement-on-last-turn", ("requirements", index, "when"), message)


def _lists_in(when: When | None) -> Iterator[str]:
    """The names of keywords and patterns."""
    if when is None:
        return
    yield from (*(when.keywords or ()), *(when.patterns or ()))
    for inner in (*(when.all or ()), *(when.any or ()), when.not_):
        yield from _lists_in(inner)


def find_regions_of_no_model(subject: Subject) -> Iterator[Finding]:
    """Mostly misspelt."""
    regions = {model.region for model in subject.policy.models.values() if model.region is not None}
    for loc, require in _requires(subject):
        for index, region in enumerate(require.regions or ()):
            if region not in regions:
                message = f"no model runs in {region!r}{suggest(region, regions)}"
                yield subject.doubt("region-unknown", (*loc, "regions", index), message)


def _requires(subject: Subject) -> Iterator[tuple[Loc, WrittenRequirement]]:
    for index, standing in enumerate(subject.written.requirements):
        yield ("requirements", index, "require"), standing.require
    for name, virtual in subject.written.virtual_models.items():
        if virtual.require is not None:
            yield ("virtual_models", name, "require"), virtual.require
    for loc, rule in _rules(subject):
        for at, action in _actions(loc, rule):
            if action.require is not None:
                yield (*at, "require"), action.require


def find_choices_of_one_api(subject: Subject) -> Iterator[Finding]:
    """A rule that chooses models of one API is for the requests of all."""
    spoken = apis_of(subject.policy.models.values())
    for loc, rule in _rules(subject):
        named = {endpoint.api for endpoint in (rule.when.endpoint if rule.when is not None else None) or ()}
        for at, action in _actions(loc, rule):
            chosen = action.models or ((action.pin,) if action.pin is not None else ())
            apis = apis_of(subject.policy.models[name] for name in chosen)
            for api in sorted((named or spoken) - apis) if chosen else ():
                message = f"{rule.name} has no model for requests of the {api} API"
                yield subject.doubt("plan-may-be-empty", (*at, "models" if action.models else "pin"), message)


def _actions(loc: Loc, rule: WrittenRule) -> Iterator[tuple[Loc, WrittenAction]]:
    yield loc, rule
    for name, arm in rule.split.arms.items() if rule.split is not None else ():
        yield (*loc, "split", "arms", name), arm


def _rules(subject: Subject) -> Iterator[tuple[Loc, WrittenRule]]:
    for index, rule in enumerate(subject.written.rules):
        yield ("rules", index), rule
    for name, virtual in subject.written.virtual_models.items():
        for index, rule in enumerate(virtual.rules):
            yield ("virtual_models", name, "rules", index), rule


def find_untested_rules(subject: Subject) -> Iterator[Finding]:
    """A policy that only lists models has little to test."""
    written = subject.written
    if not written.tests and (written.rules or written.requirements):
        section = "rules" if written.rules else "requirements"
        yield subject.doubt("untested", (section,), "no test says what they are meant to do")
