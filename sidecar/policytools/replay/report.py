"""A replay's summary, for people and for programs."""

from collections.abc import Iterator, Mapping
from typing import Any

from sidecar.policytools.replay.summary import Change, Counts, Outcome, Summary, Tally
from sidecar.policytools.screen import Cell, Screen, counted, table
from sidecar.routing.tier import Tier

_INDENT = "  "

_MOST_ROWS = 12

Row = list[Cell | str]


def render(summary: Summary, screen: Screen) -> str:
    """Several blocks of text."""
    return "\n\n".join(block for block in _blocks(summary, screen) if block) + "\n"


def as_json(summary: Summary) -> dict[str, Any]:
    """With shares and USD where people would want them."""
    compared = summary.old.lines
    return {
        "lines": summary.lines,
        "compared": compared,
        "without_old_decision": summary.alone.lines,
        "passed_over": summary.passed,
        "broken": {
            "lines": summary.broken,
            "first": [{"line": line, "fault": fault} for line, fault in summary.first_broken],
        },
        "needs_text": {"lines": summary.undecidable, "for": _falling(summary.needed)},
        "assumed": _falling(summary.assumed),
        "old": _tally_as_json(summary.old),
        "new": _tally_as_json(summary.new),
        "only_new": _tally_as_json(summary.alone),
        "changed": {
            "lines": summary.changed,
            "share": _share(summary.changed, compared),
            "first_model": sum(summary.changed_models.values()),
            "tier": sum(summary.changed_tiers.values()),
            "plan": summary.changed_plans,
            "models": _falling(summary.changed_models),
            "tiers": _falling(summary.changed_tiers),
            "rules": _falling(summary.changed_rules),
            "reasons": _falling(summary.changed_reasons),
        },
        "changes": [change.as_json() for change in summary.changes],
    }


def _tally_as_json(tally: Tally) -> dict[str, Any]:
    return {
        "lines": tally.lines,
        "usd": tally.usd,
        "mean_latency_ms": tally.mean_latency_ms,
        "latency_known": tally.latencies,
        "tiers": _falling(tally.tiers),
        "models": _falling(tally.models),
        "reasons": _falling(tally.reasons),
        "rules": _falling(tally.rules),
    }


def _blocks(summary: Summary, screen: Screen) -> Iterator[str]:
    yield "\n".join(_lines(summary, screen))
    if summary.old.lines:
        yield _compared(summary, screen)
        yield _shares("rules", summary.old.rules, summary.new.rules, summary, screen, summary.changed_rules)
        yield _shares("reasons", summary.old.reasons, summary.new.reasons, summary, screen, summary.changed_reasons)
        yield _counts("first models that change", summary.changed_models, screen)
        yield _changes(summary, screen)
    if summary.alone.lines:
        yield _alone(summary.alone, screen)


def _lines(summary: Summary, screen: Screen) -> Iterator[str]:
    paint = screen.paint
    parts = [counted(summary.lines, "line")]
    parts += [f"{summary.old.lines:,} compared"] if summary.old.lines else []
    parts += [f"{summary.alone.lines:,} without an old decision"] if summary.alone.lines else []
    parts += [f"{summary.passed:,} of requests that were not decided"] if summary.passed else []
    yield paint.bold(", ".join(parts))
    if summary.broken:
        yield paint.bad(f"{summary.broken:,} cannot be read:")
        yield table([[f"line {line}", fault] for line, fault in summary.first_broken], screen, indent=_INDENT)
    if summary.undecidable:
        yield paint.notable(f"{summary.undecidable:,} need the request itself, for what their records do not say:")
        yield table([[f"{n:,}", what] for what, n in _falling(summary.needed).items()], screen, indent=_INDENT)
        if summary.needed.keys() != {"time"}:
            yield f"{_INDENT}If they were decided by a policy that you have, name it with --against."
    if summary.assumed:
        yield paint.dim("taken for granted:")
        yield table([[f"{n:,}", what] for what, n in _falling(summary.assumed).items()], screen, indent=_INDENT)


def _compared(summary: Summary, screen: Screen) -> str:
    old, new = summary.old, summary.new
    changed = f"{summary.changed:,} of {old.lines:,} change ({_percent(summary.changed, old.lines)}): "
    what = (
        ("first model", sum(summary.changed_models.values())),
        ("tier", sum(summary.changed_tiers.values())),
        ("plan", summary.changed_plans),
    )
    changed += ", ".join(f"{name} {_percent(count, old.lines)}" for name, count in what)
    rows: list[Row] = [
        [Cell(text, "dim") for text in ("", "old", "new", "difference")],
        ["cost, USD", _usd(old.usd), _usd(new.usd), _difference(old.usd, new.usd)],
        *_latency(old, new),
        *_section("tier", by_tier(old.tiers, new.tiers), summary),
        *_section("model", by_count(old.models, new.models), summary),
    ]
    return f"{screen.paint.bold(changed)}\n{table(rows, screen, right=(1, 2, 3), indent=_INDENT)}"


def _latency(old: Tally, new: Tally) -> Iterator[Row]:
    before, after = old.mean_latency_ms, new.mean_latency_ms
    if before is not None and after is not None:
        known = min(old.latencies / old.lines, new.latencies / new.lines)
        name = "latency, ms" if known == 1 else f"latency, ms (of {known:.0%})"
        yield [name, f"{before:,.0f}", f"{after:,.0f}", _difference(before, after)]


def _section(kind: str, counts: Mapping[str, tuple[int, int]], summary: Summary) -> Iterator[Row]:
    for name, (before, after) in counts.items():
        points = (after - before) / summary.old.lines
        difference = f"{points * 100:+.1f} points" if before != after else ""
        yield [
            f"{kind} {name}",
            _percent(before, summary.old.lines),
            _percent(after, summary.new.lines),
            Cell(difference, "notable"),
        ]


def _shares(
    title: str, old: Counts, new: Counts, summary: Summary, screen: Screen, changed: Mapping[str, int]
) -> str:
    counts = by_count(old, new)
    if list(counts) == ["-"]:
        return ""
    rows: list[Row] = [[Cell(text, "dim") for text in ("", "old", "new", "of these changed")]]
    rows += [
        [
            name,
            _percent(before, summary.old.lines),
            _percent(after, summary.new.lines),
            _percent(changed.get(name, 0), after) if after else "",
        ]
        for name, (before, after) in counts.items()
    ]
    return f"{screen.paint.bold(title)}\n{table(rows, screen, right=(1, 2, 3), indent=_INDENT)}"


def _counts(title: str, counts: Counts, screen: Screen) -> str:
    if not counts:
        return ""
    shown = list(_falling(counts).items())
    rows: list[Row] = [[f"{count:,}", name] for name, count in shown[:_MOST_ROWS]]
    rows += [["", f"and {len(shown) - _MOST_ROWS} more kinds"]] if len(shown) > _MOST_ROWS else []
    return f"{screen.paint.bold(title)}\n{table(rows, screen, right=(0,), indent=_INDENT)}"


def _changes(summary: Summary, screen: Screen) -> str:
    if not summary.changes:
        return ""
    more = "" if summary.changed == len(summary.changes) else f", the first {len(summary.changes)}"
    rows = [_change(change) for change in summary.changes]
    return f"{screen.paint.bold(f'changed decisions{more}')}\n{table(rows, screen, indent=_INDENT)}"


def _change(change: Change) -> Row:
    old, new = change.old, change.new
    if (old.model, old.tier, old.status) == (new.model, new.tier, new.status):
        sides = f"{_outcome(old)}, then {', '.join(old.plan[1:])}", f"then {', '.join(new.plan[1:])}"
    else:
        sides = _outcome(old), _outcome(new)
    return [f"line {change.line}", Cell(sides[0], "dim"), "→", sides[1]]


def _outcome(outcome: Outcome) -> str:
    if outcome.model is None:
        return f"rejected {outcome.status} ({_why(outcome)})"
    return f"{outcome.model}, {outcome.tier} ({_why(outcome)})"


def _why(outcome: Outcome) -> str:
    return outcome.reason if outcome.rule is None else f"{outcome.reason}, {outcome.rule}"


def _alone(tally: Tally, screen: Screen) -> str:
    rows: list[Row] = [["cost, USD", _usd(tally.usd)]]
    if tally.mean_latency_ms is not None:
        rows.append(["latency, ms", f"{tally.mean_latency_ms:,.0f}"])
    sections = (("tier", tally.tiers), ("model", tally.models), ("rule", tally.rules), ("reason", tally.reasons))
    for kind, counts in sections:
        rows += [[f"{kind} {name}", _percent(count, tally.lines)] for name, count in _falling(counts).items()]
    title = screen.paint.bold("lines without an old decision")
    return f"{title}\n{table(rows, screen, right=(1,), indent=_INDENT)}"


def by_tier(old: Counts, new: Counts) -> dict[str, tuple[int, int]]:
    """Cheapest first; then what was rejected."""
    order = [tier.label for tier in Tier]
    names = sorted({*old, *new}, key=lambda name: (order.index(name) if name in order else len(order), name))
    return {name: (old.get(name, 0), new.get(name, 0)) for name in names}


def by_count(old: Counts, new: Counts) -> dict[str, tuple[int, int]]:
    """Most frequent first."""
    names = sorted({*old, *new}, key=lambda name: (-max(old.get(name, 0), new.get(name, 0)), name))
    return {name: (old.get(name, 0), new.get(name, 0)) for name in names}


def _falling(counts: Counts) -> Counts:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _share(count: int, of: int) -> float | None:
    return count / of if of else None


def _percent(count: int, of: int) -> str:
    return f"{count / of * 100:.1f} %" if of else "-"


def _usd(cost: float) -> str:
    return f"{cost:,.2f}" if cost >= 1 else f"{cost:.6f}"


def _difference(old: float, new: float) -> str:
    return "" if old == new else f"{(new - old) / old * 100:+.1f} %" if old else "new"
