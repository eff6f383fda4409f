"""What a rule may ask of a request: each condition, by whether a rule with it matches."""

import itertools
import json
import math
from dataclasses import replace
from datetime import UTC, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sidecar.routing.api import Api, Endpoint
from sidecar.routing.classification import Classification, Example
from sidecar.routing.conditions import (
    AllOf,
    Amount,
    AmountWithin,
    AnyOf,
    Condition,
    FlagIs,
    HeaderIs,
    IntentIn,
    InTime,
    NameSet,
    NamesFound,
    Not,
    PathIn,
    PersonalDataFound,
    ReadingWithin,
    Word,
    WordIn,
)
from sidecar.routing.phrases import PatternList, PhraseList
from sidecar.routing.policy import Policy
from sidecar.routing.reason import Reason
from sidecar.routing.request import ChatRequest, parse_request
from sidecar.routing.rules import Action, Rule
from sidecar.routing.signals import SignalReader
from tests.fakes.classifiers import classification
from tests.fakes.decisions import decided, decided_without, undecided
from tests.fakes.policies import make_model, make_policy
from tests.fakes.properties import examples
from tests.fakes.requests import request

READER = SignalReader(
    headers={"plan": "x-plan", "tenant": "x-tenant-id"},
    keywords={"incident": PhraseList(("outage", "data loss")), "money": PhraseList(("refund",))},
    patterns={"ticket": PatternList(("[A-Z]{2,6}-[0-9]+",))},
)
TOOL = {"type": "function", "function": {"name": "f"}}


def policy_of(condition: Condition) -> Policy:
    """One rule, which changes nothing but what is told of the decision."""
    return make_policy([make_model("a")], ["a"], rules=[Rule("the rule", condition, Action())], reader=READER)


def matches(
    condition: Condition, asked: ChatRequest | None = None, reading: Classification | None = None, **head: Any
) -> bool:
    """Whether a rule with that condition is the one for a request."""
    decision = decided(policy_of(condition), asked or request(), reading or classification(), **head)
    return decision.trail.rule is not None


@pytest.mark.parametrize(
    ("amount", "asked", "count"),
    [
        ("input_tokens", replace(request(), input_tokens=1_234), 1_234),
        ("max_output_tokens", request(max_tokens=99), 99),
        ("max_output_tokens", request(), 0),
        ("turns", request(), 1),
        ("tools", request(tools=[TOOL] * 3), 3),
        ("tools", request(), 0),
        ("code_fences", request("```py\nx\n``` and ```\ny\n```"), 2),
        ("code_fences", request("an open ``` is none"), 0),
    ],
)
def test_an_amount_is_within_its_bounds_both_included(amount: Amount, asked: ChatRequest, count: int) -> None:
    assert matches(AmountWithin(amount, count, count), asked)
    assert matches(AmountWithin(amount, 0, math.inf), asked)
    assert not matches(AmountWithin(amount, count + 1, math.inf), asked)
    assert not matches(AmountWithin(amount, 0, count - 1), asked)


def test_turns_and_images_are_those_of_the_whole_conversation() -> None:
    messages = [
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}]},
        {"role": "user", "content": "What is it?"},
        {"role": "assistant", "content": "An oak."},
        {"role": "user", "content": "And that?"},
    ]
    asked = parse_request(Endpoint.CHAT_COMPLETIONS, json.dumps({"model": "auto", "messages": messages}).encode())

    assert matches(AmountWithin("turns", 2, 2), asked)
    assert matches(AmountWithin("images", 1, 1), asked)


@pytest.mark.parametrize("is_json", [True, False])
@pytest.mark.parametrize("is_streamed", [True, False])
def test_a_flag_is_as_the_request_has_it(is_json: bool, is_streamed: bool) -> None:
    asked = request(stream=is_streamed, response_format={"type": "json_object" if is_json else "text"})

    for value in (True, False):
        assert matches(FlagIs("json", value), asked) is (is_json is value)
        assert matches(FlagIs("stream", value), asked) is (is_streamed is value)


@pytest.mark.parametrize(
    ("word", "asked", "words", "holds"),
    [
        ("model", request(), {"auto"}, True),
        ("model", request(), {"other", "auto"}, True),
        ("model", request(), {"AUTO"}, False),
        ("endpoint", request(), {"chat/completions"}, True),
        ("endpoint", request(), {"messages", "responses"}, False),
        ("language", request("Wie spät ist es, und wo ist der Bahnhof?"), {"de"}, True),
        ("language", request("What time is it, and where is the station?"), {"de"}, False),
        ("script", request("Где находится вокзал?"), {"cyrillic"}, True),
        ("script", request("What is an oak?"), {"cyrillic", "han"}, False),
        ("script", request("What is an oak?"), set(), False),
    ],
)
def test_a_word_is_one_of_those_that_are_listed(word: Word, asked: ChatRequest, words: set[str], holds: bool) -> None:
    assert matches(WordIn(word, frozenset(words)), asked) is holds


def test_the_endpoint_is_the_one_that_was_called() -> None:
    policy = make_policy(
        [make_model("a", api=Api.ANTHROPIC)],
        ["a"],
        rules=[Rule("the rule", WordIn("endpoint", frozenset(("messages",))), Action())],
    )

    assert decided(policy, request(api=Api.ANTHROPIC), classification()).trail.rule == "the rule"


@pytest.mark.parametrize(
    ("path", "paths", "holds"),
    [
        ("/v1/chat/completions", ("/v1/chat/completions",), True),
        ("/v1/chat/completions?user=1", ("/v1/chat/completions",), True),
        # the same to many servers, so it is to a rule
        ("/v1/chat/completions/", ("/v1/chat/completions",), True),
        ("/V1/Chat/Completions;a=1", ("/v1/chat/*",), True),
        ("/v1/chat/completions/", ("/v1/chat/completions/",), True),
        ("/v1/chat/completions", ("/v1/chat",), False),
        ("/v1/chat/completions", ("/v1/chat/*",), True),
        ("/v1/chat/completions", ("/v1/messages", "/v1/chat*"), True),
        ("/v1/chat/completions", ("*",), True),
        ("/v1/chat/completions", ("/v1/messages*",), False),
        ("/v1/chat/completions?a=/v1/messages", ("/v1/messages", "*/v1/messages"), False),
        ("/v1/chat/completions", (), False),
    ],
)
def test_a_path_is_one_of_those_or_begins_like_it(path: str, paths: tuple[str, ...], holds: bool) -> None:
    assert matches(PathIn(paths), path=path) is holds


@pytest.mark.parametrize(
    ("sent", "values", "holds"),
    [
        ("free", {"free"}, True),
        ("free", {"trial", "free"}, True),
        ("free", {"premium"}, False),
        ("Free", {"free"}, False),
        (" free\t", {"free"}, True),
        ("free", None, True),
        ("", None, False),
        (" ", None, False),
        (None, None, False),
        ("", {""}, False),
        (None, {"free"}, False),
        # given twice, HTTP makes one of them
        ("free,free", {"free"}, False),
    ],
)
def test_a_header_has_one_of_the_values_or_any(sent: str | None, values: set[str] | None, holds: bool) -> None:
    condition = HeaderIs("plan", None if values is None else frozenset(values))
    headers: dict[str, Any] = {} if sent is None else {"x_plan": sent}

    assert matches(condition, **headers) is holds
    assert matches(Not(condition), **headers) is not holds


def test_a_header_that_the_policy_does_not_name_is_not_there() -> None:
    assert not matches(HeaderIs("plan", None), plan="free", x_other="free")


@pytest.mark.parametrize(
    ("kind", "prompt", "names", "holds"),
    [
        ("keywords", "There is an outage in Oslo!", {"incident"}, True),
        ("keywords", "We have DATA  LOSS.", {"incident"}, True),
        ("keywords", "outages", {"incident"}, False),
        ("keywords", "I want a refund.", {"incident", "money"}, True),
        ("keywords", "hello", {"incident", "money"}, False),
        ("patterns", "What became of AB-123?", {"ticket"}, True),
        ("patterns", "What became of ab-123?", {"ticket"}, False),
        # one name does for keywords, another for patterns
        ("patterns", "There is an outage.", {"incident"}, False),
    ],
)
def test_a_list_is_found_if_something_of_it_stands_in_the_prompt(
    kind: NameSet, prompt: str, names: set[str], holds: bool
) -> None:
    assert matches(NamesFound(kind, frozenset(names)), request(prompt)) is holds


@pytest.mark.parametrize(
    ("text", "kinds", "holds"),
    [
        ("Write to anna@example.org.", None, True),
        ("Write to anna@example.org.", {"email"}, True),
        ("Write to anna@example.org.", {"iban", "email"}, True),
        ("Write to anna@example.org.", {"iban"}, False),
        ("Pay to DE89 3704 0044 0532 0130 00.", {"iban"}, True),
        ("hello", None, False),
        ("hello", {"email"}, False),
        # more than is looked through: nobody knows
        ("x" * 1_100_000, None, True),
        ("x" * 1_100_000, {"iban"}, True),
    ],
    ids=lambda value: repr(sorted(value) if isinstance(value, set) else value)[:40],
)
def test_personal_data_that_may_be_there_is_there(text: str, kinds: set[str] | None, holds: bool) -> None:
    condition = PersonalDataFound(None if kinds is None else frozenset(kinds))

    assert matches(condition, request(text)) is holds
    assert matches(Not(condition), request(text)) is not holds


def test_personal_data_counts_wherever_it_stands() -> None:
    assert matches(PersonalDataFound(None), request("hello", system="You work for anna@example.org."))
    assert matches(PersonalDataFound(None), request("hello", user="anna@example.org"))
    assert not matches(PersonalDataFound(None), request("hello", user="anna"))


MON, TUE, SAT, SUN = 0, 1, 5, 6
EVERY_DAY = frozenset(range(7))
BERLIN, NEW_YORK, KATHMANDU = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York"), ZoneInfo("Asia/Kathmandu")


def within(start: str, end: str, days: set[int] | None = None, zone: ZoneInfo | None = None) -> InTime:
    """As a policy writes it."""
    return InTime(
        EVERY_DAY if days is None else frozenset(days),
        time.fromisoformat(start),
        time.fromisoformat(end),
        zone or UTC,
    )


@pytest.mark.parametrize(
    ("window", "at", "holds"),
    [
        # the start is included, the end is not
        (within("09:00", "17:00"), "2026-03-02T09:00:00", True),
        (within("09:00", "17:00"), "2026-03-02T16:59:59.999999", True),
        (within("09:00", "17:00"), "2026-03-02T17:00:00", False),
        (within("09:00", "17:00"), "2026-03-02T08:59:59", False),
        (within("09:00", "17:00", {MON}), "2026-03-02T12:00", True),
        (within("09:00", "17:00", {TUE, SAT}), "2026-03-02T12:00", False),
        # one that ends before it starts spans midnight, and has the day on which it starts
        (within("18:00", "06:00"), "2026-03-02T18:00", True),
        (within("18:00", "06:00"), "2026-03-02T23:59", True),
        (within("18:00", "06:00"), "2026-03-02T00:00", True),
        (within("18:00", "06:00"), "2026-03-02T05:59", True),
        (within("18:00", "06:00"), "2026-03-02T06:00", False),
        (within("18:00", "06:00"), "2026-03-02T17:59", False),
        (within("18:00", "06:00", {MON}), "2026-03-02T20:00", True),
        (within("18:00", "06:00", {MON}), "2026-03-03T05:00", True),
        (within("18:00", "06:00", {MON}), "2026-03-02T05:00", False),
        (within("18:00", "06:00", {MON}), "2026-03-03T20:00", False),
        (within("18:00", "06:00", {SUN}), "2026-03-02T05:00", True),
        (within("18:00", "06:00", {SUN}), "2026-03-01T05:00", False),
        # the same start and end are the whole day
        (within("00:00", "00:00"), "2026-03-02T00:00", True),
        (within("00:00", "00:00", {MON}), "2026-03-02T23:59", True),
        (within("00:00", "00:00", {MON}), "2026-03-03T00:00", False),
        (within("12:00", "12:00", {MON}), "2026-03-03T11:59", True),
        (within("12:00", "12:00", {MON}), "2026-03-02T11:59", False),
        # until midnight
        (within("18:00", "00:00", {MON}), "2026-03-02T23:59", True),
        (within("18:00", "00:00", {MON}), "2026-03-03T00:00", False),
        # by the clock, and on the day, of the zone
        (within("09:00", "17:00", zone=BERLIN), "2026-03-02T08:00", True),
        (within("09:00", "17:00", zone=BERLIN), "2026-03-02T16:00", False),
        (within("00:00", "00:00", {TUE}, BERLIN), "2026-03-02T23:00", True),
        (within("00:00", "00:00", {MON}, BERLIN), "2026-03-02T23:00", False),
        (within("20:00", "22:00", {SUN}, NEW_YORK), "2026-03-02T02:00", True),
        (within("06:45", "06:46", zone=KATHMANDU), "2026-03-02T01:00", True),
        # whose summer is an hour ahead
        (within("09:00", "17:00", zone=BERLIN), "2026-07-01T07:00", True),
        (within("09:00", "17:00", zone=BERLIN), "2026-07-01T15:00", False),
        # the hour that there is twice, the hour that there is not
        (within("02:00", "03:00", {SUN}, BERLIN), "2026-10-25T00:30", True),
        (within("02:00", "03:00", {SUN}, BERLIN), "2026-10-25T01:30", True),
        (within("02:00", "03:00", {SUN}, BERLIN), "2026-03-29T01:30", False),
    ],
)
def test_a_time_window_is_of_the_clock_and_the_days_of_its_zone(window: InTime, at: str, holds: bool) -> None:
    assert matches(window, at=datetime.fromisoformat(at).replace(tzinfo=UTC)) is holds


@pytest.mark.parametrize("zone", [BERLIN, NEW_YORK, KATHMANDU])
def test_a_moment_is_in_a_window_whatever_zone_it_is_told_in(zone: ZoneInfo) -> None:
    moment = datetime(2026, 3, 2, 8, tzinfo=UTC).astimezone(zone)

    assert matches(within("09:00", "17:00", zone=BERLIN), at=moment)
    assert not matches(within("09:00", "17:00"), at=moment)


@given(
    st.times(),
    st.times(),
    st.sets(st.integers(0, 6)),
    st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),
)
@examples(200)
def test_each_moment_is_in_a_window_or_in_its_complement(
    start: time, end: time, days: set[int], moment: datetime
) -> None:
    assume(start != end)
    inside = InTime(EVERY_DAY, start, end, UTC)
    outside = InTime(EVERY_DAY, end, start, UTC)
    by_day = [InTime(frozenset((day,)), start, end, UTC).holds for day in sorted(days)]

    signals = decided(policy_of(inside), request(), classification(), at=moment).signals

    assert inside.holds(signals, None) is not outside.holds(signals, None)
    assert sum(holds(signals, None) for holds in by_day) == InTime(frozenset(days), start, end, UTC).holds(
        signals, None
    )


@pytest.mark.parametrize(
    ("reading", "intents", "holds"),
    [
        (classification("math"), {"math"}, True),
        (classification("math"), {"chat", "math"}, True),
        (classification("math"), {"chat"}, False),
        # an intent by example counts before the classifier's
        (replace(classification("math"), example=Example("refund", 0.7)), {"refund"}, True),
        (replace(classification("math"), example=Example("refund", 0.7)), {"math"}, False),
    ],
)
def test_an_intent_is_one_of_those(reading: Classification, intents: set[str], holds: bool) -> None:
    assert matches(IntentIn(frozenset(intents)), reading=reading) is holds


@pytest.mark.parametrize(
    ("condition", "reading", "holds"),
    [
        (ReadingWithin("difficulty", 0.2, 0.4), classification(difficulty=0.2), True),
        (ReadingWithin("difficulty", 0.2, 0.4), classification(difficulty=0.4), True),
        (ReadingWithin("difficulty", 0.2, 0.4), classification(difficulty=0.19), False),
        (ReadingWithin("difficulty", 0.2, 0.4), classification(difficulty=0.41), False),
        (ReadingWithin("difficulty", 0, 1), classification(difficulty=0.0), True),
        # what the classifier does not tell is neither high nor low
        (ReadingWithin("difficulty", 0, 1), classification(difficulty=None), False),
        (Not(ReadingWithin("difficulty", 0, 1)), classification(difficulty=None), True),
        (ReadingWithin("confidence", 0.9, 1), classification(confidence=0.9), True),
        (ReadingWithin("confidence", 0.9, 1), classification(confidence=0.89), False),
        (ReadingWithin("confidence", 0, 0.5), classification(confidence=0.2, difficulty=0.9), True),
    ],
)
def test_a_reading_is_within_its_bounds_both_included(
    condition: Condition, reading: Classification, holds: bool
) -> None:
    assert matches(condition, reading=reading) is holds


def test_the_turn_to_be_answered_is_the_one_that_counts() -> None:
    policy = policy_of(IntentIn(frozenset(("math",))))

    assert decided(policy, request(), classification("chat"), classification("math")).trail.rule == "the rule"
    assert decided(policy, request(), classification("math"), classification("chat")).trail.rule is None


YES, NO = PathIn(("*",)), PathIn(())


@pytest.mark.parametrize(
    ("conditions", "all_", "any_"),
    [
        ((), True, False),
        ((YES,), True, True),
        ((NO,), False, False),
        ((YES, YES), True, True),
        ((YES, NO), False, True),
        ((NO, YES), False, True),
        ((NO, NO), False, False),
    ],
)
def test_conditions_compose(conditions: tuple[Condition, ...], all_: bool, any_: bool) -> None:
    assert matches(AllOf(conditions)) is all_
    assert matches(Not(AllOf(conditions))) is not all_
    assert matches(AnyOf(conditions)) is any_
    assert matches(Not(AnyOf(conditions))) is not any_
    assert matches(AllOf((YES, AnyOf((NO, AllOf(conditions)))))) is all_


KNOWN: list[Condition] = [
    FlagIs("json", False),
    HeaderIs("plan", None),
    PersonalDataFound(None),
    within("00:00", "00:00"),
    YES,
]
READ: list[Condition] = [
    IntentIn(frozenset(("chat",))),
    ReadingWithin("difficulty", 0, 1),
    ReadingWithin("confidence", 0, 1),
]


@pytest.mark.parametrize(
    "condition", [*KNOWN, Not(YES), AllOf(()), AnyOf(()), AllOf(tuple(KNOWN)), AnyOf(tuple(KNOWN))]
)
def test_what_is_known_beforehand_is_asked_beforehand(condition: Condition) -> None:
    assert not condition.needs_classification
    settling = replace(policy_of(condition), rules=(Rule("the rule", condition, Action(pin="a")),))
    decision = undecided(settling, request())
    assert (decision is not None) is matches(condition)


@pytest.mark.parametrize("read", READ)
@pytest.mark.parametrize(
    "compose", [lambda c: c, Not, lambda c: AllOf((YES, c)), lambda c: AnyOf((NO, c)), lambda c: Not(AnyOf((c, NO)))]
)
def test_what_only_a_classifier_knows_is_asked_once_it_has_answered(read: Condition, compose: Any) -> None:
    condition: Condition = compose(read)
    policy = policy_of(condition)

    assert condition.needs_classification
    assert undecided(policy, request()) is None
    assert decided_without(policy, request(), Reason.CLASSIFIER_TIMEOUT).trail.rule is None


def test_every_pair_of_conditions_holds_as_both_do() -> None:
    every: list[Condition] = [*KNOWN, *READ, NO]
    for one, other in itertools.product(every, repeat=2):
        assert matches(AllOf((one, other))) is (matches(one) and matches(other))
        assert matches(AnyOf((one, other))) is (matches(one) or matches(other))
