"""Lists of phrases and of patterns: what they find, what they refuse, and that no text makes them slow."""

# ruff: noqa: RUF001  letters of other scripts are what some rows are about

import pickle
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.routing.phrases import PatternList, PhraseList
from tests.fakes.properties import examples


@pytest.mark.parametrize(
    ("phrases", "text"),
    [
        # whole words, any case, any space
        (["outage"], "outage"),
        (["outage"], "An OUTAGE, again!"),
        (["Outage"], "(outage)"),
        (["data loss"], "Data\n  loss since noon"),
        (["  data   loss "], "data\u00a0loss"),
        (["refund", "outage"], "my refund?"),
        (["outage"], "outages and an outage"),
        # signs
        (["C++"], "port it from c++ to Rust"),
        (["C++"], "C++11"),
        ([".net"], "an asp.net site"),
        (["don't"], "I DON’T want to"),
        (["a.b"], "see A.B"),
        (["💥"], "it went 💥here"),
        # other alphabets
        (["straße"], "STRASSE"),
        (["strasse"], "STRASSE"),
        (["café"], "cafe\u0301"),
        (["cafe\u0301"], "CAFÉ"),
        (["сбой"], "Сбой!"),
        (["ΟΔΟΣ"], "οδος οδός"),
        (["عطل"], "حصل عطل في"),
        (["ग़लती"], "कोई ग़लती है"),
        # scripts without spaces
        (["退款"], "我要退款谢谢"),
        (["返金"], "返金してください"),
        (["キャンセル"], "キャンセルしたい"),
        (["환불"], "환불을 원합니다"),
        (["คืนเงิน"], "ขอคืนเงินด้วย"),
        (["SLA"], "这个SLA是多少"),
        (["iPhone手机"], "我的iphone手机坏了"),
        # text that is no text
        (["outage"], "\ud800outage\udfff"),
    ],
)
def test_a_phrase_is_found(phrases: list[str], text: str) -> None:
    assert PhraseList(tuple(phrases)).found_in(text)


@pytest.mark.parametrize(
    ("phrases", "text"),
    [
        (["outage"], ""),
        (["outage"], "outages"),
        (["outage"], "a routage"),
        (["outage"], "out age"),
        (["outage"], "outage_total"),
        (["outage"], "outageé"),
        (["data loss"], "dataloss"),
        (["data loss"], "data and loss"),
        (["a.b"], "a-b axb"),
        (["C++"], "the C language"),
        (["C++"], "libc++"),
        (["cafe"], "café"),
        (["cafe"], "cafe\u0301"),
        (["сбой"], "сбоить"),
        (["退款"], "退货款"),
        (["SLA"], "SLAB"),
        (["refund"], "ref\ud800und"),
    ],
)
def test_what_only_resembles_a_phrase_is_not_found(phrases: list[str], text: str) -> None:
    assert not PhraseList(tuple(phrases)).found_in(text)


@pytest.mark.parametrize(
    ("phrases", "message"),
    [
        ([], "expected at least one phrase"),
        ([""], "an empty phrase"),
        (["outage", " \n"], "an empty phrase"),
        (["\ud800"], "lone surrogate"),
        (["outage"] * 4_000, "at most 20000 characters"),
    ],
)
def test_a_list_that_cannot_be_meant_is_refused(phrases: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PhraseList(tuple(phrases))


@pytest.mark.parametrize(
    ("patterns", "text"),
    [
        (["[A-Z]{2,6}-[0-9]+"], "see OPS-42"),
        (["^hello"], "hello there"),
        (["(?i)hello"], "HELLO"),
        (["(?i)hello", "x$"], "y x"),
        (["a|b", "c"], "c"),
        ([r"\p{Cyrillic}+"], "привет"),
        (["(?P<number>[0-9])", "(?P<number>[a-z])"], "x"),
        (["(a)(b)"], "ab"),
        ([r"\bcat\b"], "a cat"),
        (["^$"], ""),
        (["b"], "a\ud800b"),
    ],
)
def test_a_pattern_is_found(patterns: list[str], text: str) -> None:
    assert PatternList(tuple(patterns)).found_in(text)


@pytest.mark.parametrize(
    ("patterns", "text"),
    [
        (["[A-Z]{2,6}-[0-9]+"], "see ops-42"),
        (["(?i)hello", "x"], "X"),
        (["^hello"], "say hello"),
        ([r"\bcat\b"], "cats"),
        (["^$"], "a"),
        (["a.c"], "a\nc"),
    ],
)
def test_a_pattern_means_what_it_says(patterns: list[str], text: str) -> None:
    assert not PatternList(tuple(patterns)).found_in(text)


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("", "an empty pattern"),
        (r"(a)\1", "no backreferences"),
        ("(?P<x>a)(?P=x)", "no backreferences"),
        ("a(?=b)", "no lookahead and no lookbehind"),
        ("a(?!b)", "no lookahead and no lookbehind"),
        ("(?<=a)b", "no lookahead and no lookbehind"),
        ("(?<!a)b", "no lookahead and no lookbehind"),
        ("(?>a)", "no atomic groups"),
        ("a++", "no possessive quantifiers"),
        ("(?(1)a|b)", "no conditions"),
        (r"a\Z", r"end of the text as \\z"),
        (r"\u00e9", r"by its number as \\x"),
        ("a{2000}", "at most 1000 times"),
        (r"\pL{1000}", "shorter or fewer repetitions"),
        (r"(?i)\pL{20}", "shorter or fewer repetitions"),
        ("a" * 2_000, "at most 1000 characters"),
        ("(a", r"missing \)"),
        ("[a", r"missing \]"),
        ("a*", "matches every text"),
        ("a|", "matches every text"),
        ("a\ud800", "lone surrogate"),
    ],
)
def test_a_pattern_that_is_refused_says_why(pattern: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PatternList(("fine", pattern))


def test_a_list_without_patterns_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one pattern"):
        PatternList(())


def test_many_patterns_are_refused_as_one_large_one_is() -> None:
    with pytest.raises(ValueError, match="too much to search for"):
        PatternList(tuple(rf"{number}\pL+" for number in range(1_000)))


def test_a_list_is_a_value() -> None:
    phrases, patterns = PhraseList(("outage",)), PatternList(("[0-9]+",))

    assert phrases == PhraseList(("outage",)) and hash(phrases) == hash(PhraseList(("outage",)))
    assert phrases != PhraseList(("refund",))
    assert pickle.loads(pickle.dumps(phrases)).found_in("an outage")  # noqa: S301  our own bytes
    assert pickle.loads(pickle.dumps(patterns)).found_in("42")  # noqa: S301


_WORDS = st.text(st.characters(categories=["L", "N"], max_codepoint=0x24F), min_size=1, max_size=12)


@given(st.lists(_WORDS, min_size=1, max_size=20), st.data())
@examples(200)
def test_each_phrase_of_a_list_is_found_in_any_case(phrases: list[str], data: st.DataObject) -> None:
    phrase = data.draw(st.sampled_from(phrases))
    # Case folding in RE2 is of single letters, and not Turkish.
    text = data.draw(st.sampled_from([phrase, phrase.upper() if phrase.upper().lower() == phrase else phrase]))

    assert PhraseList(tuple(phrases)).found_in(f"well, {text}!")


@given(st.lists(st.text(min_size=1, max_size=20).filter(str.strip), min_size=1, max_size=5), st.text())
@examples(300)
def test_any_phrases_and_any_text_can_be_read(phrases: list[str], text: str) -> None:
    try:
        built = PhraseList(tuple(phrases))
    except ValueError:
        return
    built.found_in(text)


@given(st.text(max_size=30), st.text())
@examples(500)
def test_any_pattern_is_refused_or_searched_for(pattern: str, text: str) -> None:
    try:
        built = PatternList((pattern,))
    except ValueError:
        return
    built.found_in(text)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        # what takes a backtracking engine longer than the universe lasts
        ("(a+)+b", "a" * 5_000_000),
        ("(a|aa)+$", "a" * 5_000_000 + "b"),
        ("(.*)(.*)(.*)(.*)x", "a" * 5_000_000),
        # and what has more states than fit into memory
        ("[ab]*a[ab]{500}c", "".join(random.Random(1).choices("ab", k=5_000_000))),
        (r"(?:\pL+ )*\pL+ing!", "été ing " * 500_000),
    ],
    ids=lambda text: text[:20],
)
def test_hostile_patterns_and_texts_end(pattern: str, text: str) -> None:
    assert not PatternList((pattern,)).found_in(text)


def test_a_long_list_of_phrases_reads_hostile_text() -> None:
    phrases = tuple(f"{number:x}word{number * 7919 % 1000}" for number in range(1_500))

    assert not PhraseList(phrases).found_in(" ".join(phrase[:-1] + "_" for phrase in phrases) * 200)
