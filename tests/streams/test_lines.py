"""Lines that people hand in, and what they are told when one is not right."""

import pytest

from sidecar.streams.lines import InputError, Line, read_lines


def line_of(written: str) -> Line:
    """The one line."""
    (line,) = read_lines([written.encode()])
    return line


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ('{"text": "hi"}', "hi"),
        ('{"text": ""}', ""),
        ('{"a": 1e999, "text": "hi", "b": {"text": "no"}, "c": "\\ud83d"}', "hi"),
        (' {"text":"木\\u6728\\ud83d\\ude00"} \r', "木木😀"),
        ('{"text": "cut \\ud83d"}', "cut \ufffd"),
    ],
)
def test_a_text_is_read_whatever_stands_beside_it(written: str, text: str) -> None:
    assert line_of(written).string("text") == text


@pytest.mark.parametrize(
    ("written", "grades"),
    [
        ('{"weak": 0, "strong": 1}', (0, 1)),
        ('{"weak": 0.25, "strong": 0.5}', (0.25, 0.5)),
        ('{"weak": false, "strong": true}', (0, 1)),
        ('{"weak": "a-model", "weak_ok": 1.0, "strong": "another", "strong_ok": 0}', (1, 0)),
    ],
)
def test_grades_are_numbers_or_right_and_wrong(written: str, grades: tuple[float, float]) -> None:
    assert line_of(written).grades() == line_of(written).find_grades() == grades


def test_blank_lines_are_passed_over_and_counted() -> None:
    lines = list(read_lines([b"\n", b'{"text": "a"}\n', b"  \r\n", b'{"text": "b"}'], "log.jsonl"))

    assert [(line.place, line.string("text")) for line in lines] == [("log.jsonl:2", "a"), ("log.jsonl:4", "b")]


@pytest.mark.parametrize(
    "written",
    [
        b"hello",
        b"[1]",
        b'"hi"',
        b"3",
        b'{"text": "hi"',
        b'{"text": "hi"} x',
        b'{"text": "\\x"}',
        b"{'text': 'hi'}",
        b"[" * 9000,
    ],
)
def test_a_line_that_is_no_object_is_named(written: bytes) -> None:
    with pytest.raises(InputError, match=r'^line 2: expected a JSON object like \{"text": "…"\} \('):
        list(read_lines([b'{"text": "hi"}\n', written]))


@pytest.mark.parametrize(
    ("written", "told"),
    [
        (b"{}", "line 1: text: expected a string, but it is missing"),
        (b'{"Text": "hi"}', "line 1: text: expected a string, but it is missing"),
        (b'{"text": null}', "line 1: text: expected a string (Expected `str`, got `null`)"),
        (b'{"text": ["hi"]}', "line 1: text: expected a string (Expected `str`, got `array`)"),
        (b'{"text": "\xff"}', "line 1: text: expected a string ('utf-8' codec"),
    ],
)
def test_a_text_that_is_none_is_named_with_what_was_expected(written: bytes, told: str) -> None:
    with pytest.raises(InputError) as raised:
        [line.string("text") for line in read_lines([written])]

    assert str(raised.value).startswith(told)


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ('{"strong": 1}', "line 1: weak: expected a grade from 0 to 1, but it is missing"),
        ('{"weak": 1}', "line 1: strong: expected a grade from 0 to 1, but it is missing"),
        ('{"weak": 0, "strong": 1.5}', "line 1: strong: expected a grade from 0 to 1 (Expected `float` <= 1.0)"),
        ('{"weak": -1, "strong": 1}', "line 1: weak: expected a grade from 0 to 1 (Expected `float` >= 0.0)"),
        ('{"weak": "gpt", "strong": 1}', "line 1: weak: expected a grade from 0 to 1 (Expected"),
        ('{"weak_ok": 1, "strong": 1}', "line 1: strong_ok: expected a grade from 0 to 1, but it is missing"),
    ],
)
def test_a_grade_that_is_none_is_named_with_what_was_expected(written: str, told: str) -> None:
    with pytest.raises(InputError) as raised:
        line_of(written).grades()

    assert str(raised.value).startswith(told)
    assert line_of(written).find_grades() is None
