"""An explanation as a page for people: what came of it, why, from what, and how each model fared."""

from collections.abc import Iterator

import msgspec

from sidecar.policytools.explain.explanation import Explanation, ModelView
from sidecar.policytools.screen import Cell, Screen, one_line, table
from sidecar.routing.plan import USUAL_OUTPUT_TOKENS
from sidecar.routing.reason import Reason
from sidecar.routing.recorded import Record, RecordedSignals, read_record

_INDENT = "  "

Row = list[Cell | str]

_SKIPPED = {
    Reason.RULE: "skipped: the rule settles it",
    Reason.PINNED: "skipped: a model is asked for by its name",
    Reason.CALLER: "skipped: the caller asks for a tier",
    Reason.NO_PROMPT: "skipped: there is no text to classify",
}


def render(explanation: Explanation, screen: Screen) -> str:
    """Several lines of text; of the prompt there is nothing in it."""
    record = explanation.record
    blocks = [_headline(explanation, screen), _block("why", _why(explanation), screen)]
    if record.signals is not None:
        blocks.append(_block("signals", _signals(record.signals), screen))
    if explanation.models:
        blocks.append(_models(explanation, screen))
    if explanation.shadows:
        blocks.append(_block("shadow policies, which are not followed", _shadows(explanation), screen))
    return "\n\n".join(blocks) + "\n"


def _headline(explanation: Explanation, screen: Screen) -> str:
    record, paint = explanation.record, screen.paint
    asked = one_line(record.signals.model) if record.signals is not None else "a request"
    where = f"{asked} at {one_line(explanation.call.head.path)}"
    if explanation.error is None:
        return f"{where} → {paint.good(paint.bold(str(record.model)))}  tier {record.tier}, reason {record.reason}"
    body = msgspec.json.format(msgspec.json.encode(explanation.error), indent=2).decode()
    return f"{where} → {paint.bad(paint.bold(str(record.status)))}  reason {record.reason}\n{body}"


def _block(title: str, rows: Iterator[Row], screen: Screen) -> str:
    return f"{screen.paint.bold(title)}\n{table(rows, screen, indent=_INDENT)}"


def _why(explanation: Explanation) -> Iterator[Row]:
    record = explanation.record
    yield ["policy", record.policy]
    yield ["rule", _rule(explanation)]
    if record.arm is not None:
        yield ["arm", record.arm]
    if record.requirements:
        yield ["requirements", ", ".join(record.requirements)]
    yield ["classifier", _classifier(explanation)]
    if record.readings:
        yield from _reading(record)
    if record.moves:
        yield ["tier", _moves(record)]


def _rule(explanation: Explanation) -> str:
    record, policy = explanation.record, explanation.policy
    if record.signals is None:
        return "none was tried: the body cannot be read"
    virtual = policy.virtual_models.get(record.signals.model)
    rules = [rule.name for rule in (*(virtual.rules if virtual is not None else ()), *policy.rules)]
    if record.rule is None:
        return f"none of {len(rules)} matches" if rules else "the policy has none"
    return f"{record.rule} ({rules.index(record.rule) + 1} of {len(rules)})"


def _classifier(explanation: Explanation) -> str:
    record = explanation.record
    if record.readings:
        unread = f", {record.unread} left unread" if record.unread else ""
        cut = ", the last one cut to its beginning and end" if record.readings[-1].truncated else ""
        turns = "1 turn" if len(record.readings) == 1 else f"{len(record.readings)} turns"
        return f"{record.classifier}, read {turns}{unread}{cut}"
    if explanation.answer.routed is not None and explanation.answer.routed.failure is not None:
        return f"gave no answer: {explanation.failure or record.reason}"
    return _SKIPPED.get(record.reason, "skipped: the request is rejected without it")


def _reading(record: Record) -> Iterator[Row]:
    reading = record.readings[-1]
    if reading.example is not None:
        intent, similarity = reading.example
        yield ["example", f"{intent}, similarity {similarity:.2f}"]
    yield ["intent", ", ".join(f"{intent} {probability:.2f}" for intent, probability in reading.likeliest)]
    if reading.difficulty is not None:
        yield ["difficulty", f"{reading.difficulty:.3f}"]


def _moves(record: Record) -> str:
    return " → ".join(f"{tier} ({reason})" for reason, tier in record.moves)


def _signals(signals: RecordedSignals) -> Iterator[Row]:
    limit = signals.max_output_tokens
    writes = f"up to {limit:,} out" if limit else "no limit for the answer"
    yield ["tokens", f"about {signals.input_tokens:,} in, {writes}"]
    yield ["prompt", f"language {signals.language}, script {signals.script}, code fences {signals.code_fences}"]
    yield ["request", ", ".join(_asked(signals))]
    for name, found in (("keywords", signals.keywords), ("patterns", signals.patterns), ("sets", signals.parameters)):
        if found:
            yield [name, ", ".join(sorted(found))]
    if signals.personal_data is None:
        yield ["personal data", "not searched: the request is too large; counts as all kinds"]
    elif signals.personal_data:
        yield ["personal data", _pairs(signals.personal_data)]
    if signals.time:
        yield ["time", ", ".join(f"{'in' if is_in else 'not in'} {name}" for name, is_in in signals.time.items())]
    if signals.headers:
        yield ["headers", _pairs(signals.headers)]
    if signals.tier is not None or signals.max_cost is not None:
        wishes = {"tier": signals.tier, "max cost": signals.max_cost}
        yield ["caller", _pairs({name: wish for name, wish in wishes.items() if wish is not None})]


def _asked(signals: RecordedSignals) -> Iterator[str]:
    yield f"turns {signals.turns}"
    yield f"tools {signals.tools}"
    yield f"images {signals.images}"
    yield f"json {'yes' if signals.json else 'no'}"
    yield f"stream {'yes' if signals.stream else 'no'}"


def _pairs(values: dict[str, str] | dict[str, int] | dict[str, str | float]) -> str:
    return ", ".join(f"{name} {one_line(str(value))}" for name, value in values.items())


def _models(explanation: Explanation, screen: Screen) -> str:
    title: Row = [Cell(text, "dim") for text in ("", "model", "tier", "USD", "of fallback", "note")]
    rows: list[Row] = [title, *(_model(view, explanation) for view in explanation.models)]
    signals = explanation.record.signals
    limit = signals.max_output_tokens if signals is not None else 0
    note = f"USD: for {limit or USUAL_OUTPUT_TOKENS:,} tokens of answer, {'the limit' if limit else 'the usual'}"
    head = f"{screen.paint.bold('models')}  {screen.paint.dim(note)}"
    return f"{head}\n{table(rows, screen, right=(0, 3, 4), indent=_INDENT)}"


def _model(view: ModelView, explanation: Explanation) -> Row:
    is_fallback = explanation.fallback is view.model
    share = "" if view.of_fallback is None else f"{view.of_fallback:.0%}"
    if view.place is None:
        mark, note = "dim", view.why
    else:
        mark = "good" if view.place == 1 else ""
        note = f"although it {view.why}" if view.why else ""
    note = ", ".join(filter(None, ("the fallback" if is_fallback else "", note)))
    texts = (str(view.place or "-"), view.model.name, view.model.tier.label, _usd(view.cost), share, note)
    return [Cell(text, mark) for text in texts]


def _usd(cost: float) -> str:
    """Three digits that count, without an exponent, since people compare lengths."""
    return f"{cost:.6f}" if cost < 1 else f"{cost:.2f}"


def _shadows(explanation: Explanation) -> Iterator[Row]:
    for shadow in explanation.shadows:
        record = read_record(shadow.record)
        is_same = [each.model for each in record.plan] == [each.model for each in explanation.record.plan]
        model = record.model or str(record.status)
        tier = "no tier" if record.tier is None else f"tier {record.tier}"
        verdict = Cell("same plan", "dim") if is_same and record.plan else Cell("differs", "notable")
        yield [shadow.file.name, model, f"{tier}, reason {record.reason}", verdict]
