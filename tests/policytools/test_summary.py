"""Summaries add up: it makes no difference where a log was cut, or who counted which part."""

from hypothesis import given
from hypothesis import strategies as st

from sidecar.policytools.replay.summary import Change, Outcome, Summary
from tests.fakes.properties import examples

OUTCOMES = st.builds(
    Outcome,
    tier=st.sampled_from([None, "simple", "complex"]),
    plan=st.sampled_from([(), ("a",), ("b", "a")]),
    reason=st.sampled_from(["difficulty", "rule"]),
    rule=st.sampled_from([None, "r"]),
    status=st.sampled_from([200, 403]),
    cost=st.integers(0, 10**9),
    latency_ms=st.none() | st.integers(1, 10_000),
)
LINES = st.lists(
    st.tuples(st.none() | OUTCOMES, OUTCOMES) | st.sampled_from(["broken", "keywords a", "passed"]), max_size=60
)


Line = tuple[Outcome | None, Outcome] | str


def _count(summary: Summary, number: int, old: Outcome | None, new: Outcome) -> None:
    if summary.count(old, new) and old is not None:
        summary.keep(Change(number, None, old, new))


def summary_of(lines: list[tuple[int, Line]]) -> Summary:
    """As a replay counts them."""
    summary = Summary(lines=len(lines))
    for number, line in lines:
        if line == "broken":
            summary.fault(number, "no JSON")
        elif line == "passed":
            summary.passed += 1
        elif isinstance(line, str):
            summary.lack([line])
            summary.assume(["nothing"])
        else:
            _count(summary, number, *line)
    return summary


@examples(150)
@given(LINES, st.integers(0, 60), st.integers(0, 60))
def test_parts_add_up_to_the_whole(lines: list[Line], cut: int, other: int) -> None:
    numbered = list(enumerate(lines, 1))
    first, second = sorted((cut, other))
    a, b, c = (summary_of(part) for part in (numbered[:first], numbered[first:second], numbered[second:]))

    whole = summary_of(numbered)

    assert (a + b) + c == a + (b + c) == whole
    assert whole + Summary() == Summary() + whole == whole
    assert Summary.decode(whole.encode()) == whole


@examples(50)
@given(LINES)
def test_every_line_is_counted_once(lines: list[Line]) -> None:
    summary = summary_of(list(enumerate(lines, 1)))

    counted = summary.old.lines + summary.alone.lines + summary.passed + summary.broken + summary.undecidable
    assert counted == summary.lines == len(lines)
    for tally in (summary.old, summary.new, summary.alone):
        for counts in (tally.tiers, tally.models, tally.reasons, tally.rules):
            assert sum(counts.values()) == tally.lines
    assert summary.old.lines == summary.new.lines
    assert len(summary.changes) == min(summary.changed, 20)


def test_adding_leaves_the_parts_alone() -> None:
    one, other = summary_of([(1, "broken")]), summary_of([(2, "keywords a")])

    total = one + other
    total.lack(["keywords a"])

    assert (one, other) == (summary_of([(1, "broken")]), summary_of([(2, "keywords a")]))
