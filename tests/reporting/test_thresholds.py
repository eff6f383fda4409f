"""Thresholds for other shares of strong calls, and what feedback says of the one there is."""

import random
from pathlib import Path
from typing import Any

import pytest

from tests.reporting.logs import feedback, record, write_log
from tests.reporting.test_report import report


def classified(count: int) -> list[dict[str, Any]]:
    """Difficulties evenly from 0 to 1; half of them are strong calls."""
    return [
        record(decision_id=f"id-{index}", difficulty=index / count, tier="simple" if index < count / 2 else "complex")
        for index in range(count)
    ]


def test_a_threshold_makes_the_share(tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    page = report(capsysbinary, write_log(tmp_path / "r.jsonl", *classified(1000)))

    rows = {row["share"]: row for row in page["sections"]["thresholds"]["shares"]}
    assert sorted(rows) == [0.1, 0.2, 0.3, 0.4, 0.5]
    for share, row in rows.items():
        assert float(row["threshold"]) == pytest.approx(1 - share, abs=0.002)
        assert row["reached"] == pytest.approx(share, abs=0.002)


def test_what_goes_up_whatever_the_difficulty_counts(
    tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    fixed = [record(reason="intent", tier="reasoning", difficulty=0.0) for _ in range(250)]
    pinned = [record(reason="pinned", tier="complex") for _ in range(500)]

    page = report(capsysbinary, write_log(tmp_path / "r.jsonl", *classified(750), *fixed, *pinned))

    rows = {row["share"]: row for row in page["sections"]["thresholds"]["shares"]}
    # A quarter is strong in any case: fewer cannot be had.
    assert sorted(rows) == [0.3, 0.4, 0.5, 0.625]
    assert float(rows[0.4]["threshold"]) == pytest.approx(1 - 150 / 750, abs=0.002)


def test_too_few_requests_say_nothing(tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    page = report(capsysbinary, write_log(tmp_path / "r.jsonl", *classified(99)))

    assert "thresholds" not in page["sections"]


@pytest.mark.parametrize(("good", "is_told"), [(0.3, True), (0.5, False)])
def test_feedback_shows_from_where_on_weak_answers_are_thought_less_of(
    tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes], good: float, is_told: bool
) -> None:
    """Up to there all answers are alike; from there on those of weak models are bad."""
    chance = random.Random(1)
    records = classified(1000)
    scores = [
        feedback(
            each["decision_id"], score=chance.uniform(0, 0.4) if good <= each["difficulty"] < 0.5 else chance.random()
        )
        for each in records
    ]

    page = report(capsysbinary, write_log(tmp_path / "r.jsonl", *records, *scores))

    section = page["sections"]["thresholds"]
    assert [row["difficulty"] for row in section["scores"]] == ["0", "0.1", "0.2", "0.3", "0.4"]
    assert len(section["notes"]) == is_told
    if is_told:
        assert "difficulty: {complex: 0.3} sends such requests to strong models" in section["notes"][0]
