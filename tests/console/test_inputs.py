"""What is sent to the console, and what is said to what is wrong."""

import json
from datetime import UTC, datetime

import pytest

from sidecar.console.inputs import InputError, read_feedback, read_question
from sidecar.routing.feedback import Feedback

ID = "9ff70a7afd4e4c65a4f9a5ef4d4cda11"
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


def test_feedback_is_a_score_or_a_label() -> None:
    scored = read_feedback(json.dumps({"decision_id": ID, "score": 1}).encode(), NOW)
    labelled = read_feedback(json.dumps({"decision_id": ID, "label": "math", "comment": "a\nb"}).encode(), NOW)

    assert scored == Feedback("2026-03-02T12:00:00.000000Z", ID, 1.0)
    assert labelled == Feedback("2026-03-02T12:00:00.000000Z", ID, None, "math", "a\nb")


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ({"score": 1}, "missing required field decision_id"),
        ({"decision_id": ID}, "expected a score from 0 to 1, or a label, or both"),
        ({"decision_id": ID, "score": "1"}, "score: expected float | null, got str"),
        ({"decision_id": ID, "score": -0.1}, "score: -0.1 is not from 0 to 1"),
        ({"decision_id": "a b", "score": 1}, "decision_id: expected the value of a response's x-llm-decision-id"),
        ({"decision_id": ID, "label": ""}, "label: expected 1 to 64 characters on one line"),
        ({"decision_id": ID, "label": "a\nb"}, "label: expected 1 to 64 characters on one line"),
        ({"decision_id": ID, "label": "x", "comment": "y" * 2_001}, "comment: expected 2000 characters at the most"),
        ({"decision_id": ID, "score": 1, "stars": 5}, "unknown field stars"),
        ([], "expected object, got array"),
    ],
)
def test_wrong_feedback_is_told_where_and_what(written: object, told: str) -> None:
    with pytest.raises(InputError) as caught:
        read_feedback(json.dumps(written).encode())

    assert told in str(caught.value)


@pytest.mark.parametrize("body", [b"", b"score=1", b"\xff", b'{"decision_id": NaN}', b"[" * 5_000])
def test_what_is_no_json_is_told_so(body: bytes) -> None:
    with pytest.raises(InputError, match="expected"):
        read_feedback(body)


def test_a_questions_headers_are_in_lower_case_and_its_body_is_as_written() -> None:
    question = read_question(b'{"path": "/v1/messages", "headers": {"X-Plan": "free"}, "body": {"a":  1}}')

    assert (question.path, question.headers, bytes(question.body)) == (
        "/v1/messages",
        {"x-plan": "free"},
        b'{"a":  1}',
    )


@pytest.mark.parametrize(
    "headers",
    [{":path": "/v1/x"}, {"": "x"}, {"a b": "x"}, {"x": "a\r\nb: c"}, {"x": "ü"}, {f"x-{n}": "" for n in range(33)}],
)
def test_headers_that_no_request_can_have_are_refused(headers: dict[str, str]) -> None:
    with pytest.raises(InputError, match="headers: "):
        read_question(json.dumps({"path": "/v1/messages", "headers": headers, "body": {}}).encode())
