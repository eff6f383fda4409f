"""`sidecar report`: the figures, and the page in all its forms."""

import gzip
import html
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from sidecar.cli import main
from tests.reporting.logs import ATTEMPT, feedback, record, write_log

FAILED = ATTEMPT | {"status": 503, "error": "upstream_reset", "cost": None}
HOSTILE = "<script>alert(1)</script> | `x` [a](javascript:1) & \u202e\x00\r\n# h"


def report(capsysbinary: pytest.CaptureFixture[bytes], *arguments: str | Path) -> Any:
    """As programs get it."""
    assert main(["report", *map(str, arguments), "--json"]) == 0
    return json.loads(capsysbinary.readouterr().out)


def rows_of(page: Any, section: str, table: str = "rows") -> Any:
    """Of one table."""
    return page["sections"][section][table]


def test_the_figures_are_sums_and_quantiles(tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    log = write_log(
        tmp_path / "r.jsonl",
        *[record(decision_id=f"id-{index}", seconds=float(index)) for index in range(1, 9)],
        record(
            decision_id="dear", cost=9.0, saving=-6.0, tier="complex", model="large", plan=["large"], seconds=9.0,
            attempts=[],
        ),
        record(
            time="2026-03-05T12:00:00.000000Z",
            decision_id="moved",
            attempts=[FAILED, ATTEMPT | {"model": "large"}],
            model="large",
            seconds=10.0,
        ),
        record(
            decision_id=None, bypassed=True, reason=None, tier=None, intent=None, record=None, plan=[], policy="",
            cost=0.5, baseline_cost=None, saving=None, seconds=11.0, confidence=None,
        ),
    )  # fmt: skip

    page = report(capsysbinary, log)

    assert page["figures"] == {
        "requests": 11,
        "cost": 8 + 9 + 1 + 0.5,
        "baseline_cost": 30.0,
        "saving": 8 * 2 - 6 + 2,
        "success": 11,
        "failed_over": 1,
        "bypassed": 1,
        "p50_seconds": 6.0,
    }
    assert page["subtitle"] == f"11 requests from 2026-03-02 12:00 to 2026-03-05 12:00 UTC, in {log}."
    assert [(row["day"], row["requests"]) for row in rows_of(page, "spend", "time")] == [
        ("2026-03-02", 10),
        ("2026-03-05", 1),
    ]
    by_model = {(row["tier"], row["model"]): row for row in rows_of(page, "routed", "models")}
    assert by_model["simple", "small"]["requests"] == 8
    assert by_model["complex", "large"]["saving"] == -6.0
    assert by_model[None, "small"]["baseline_cost"] is None
    assert rows_of(page, "failures", "failovers") == [
        {"first": "small", "model": "large", "requests": 1, "cost": 1.0},
    ]
    assert rows_of(page, "failures", "attempts")[0] == {
        "model": "small",
        "attempts": 10,
        "failed": 1,
        "share": 0.1,
        "errors": "upstream_reset 1",
    }
    assert rows_of(page, "intents")[0] | {"p95_cost": 0} == {
        "intent": "chat",
        "requests": 10,
        "cost": 18.0,
        "mean_cost": 1.8,
        "p95_cost": 0,
        "p50_seconds": 5.5,
        "p95_seconds": pytest.approx(9.55),
        "p50_first_byte_seconds": 0.5,
    }
    assert page["notes"] == [
        "1 requests have a cost and no baseline; they count in the spend and not in the saving.",
        "1 requests went past the router; nothing is known of their prompts.",
    ]


def test_a_day_is_told_by_the_hour(tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    times = ("2026-03-02T12:59:59.999999Z", "2026-03-02T15:00:00+02:00", "2026-03-02T13:30:00Z")
    log = write_log(tmp_path / "r.jsonl", *[record(time=time) for time in times])

    page = report(capsysbinary, log)

    assert [(row["hour"], row["requests"]) for row in rows_of(page, "spend", "time")] == [
        ("03-02 12:00", 1),
        ("03-02 13:00", 2),
    ]


def test_decisions_have_their_times_and_the_cache_its_share(
    tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    log = write_log(
        tmp_path / "r.jsonl",
        *[record(cached=index < 1) for index in range(4)],
        record(reason="classifier_timeout", confidence=None, classify_seconds=0.04),
        record(reason="rule", confidence=None, classify_seconds=0.0),
    )

    page = report(capsysbinary, log)

    parts = {row["part"]: row for row in rows_of(page, "decisions")}
    assert parts["waiting for the classifier"]["requests"] == 5
    assert parts["waiting for the classifier"]["p50_seconds"] == 0.005
    assert parts["all of it"]["p99_seconds"] == pytest.approx(0.042, abs=0.002)
    assert page["sections"]["decisions"]["notes"] == [
        "25.0 % of 4 classifications were remembered from an earlier request.",
        "1 requests went to the fallback because the classifier was late, full or broken.",
    ]


def test_doubtful_prompts_stand_together_with_examples(
    tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    log = write_log(
        tmp_path / "r.jsonl",
        record(confidence=0.3, text="first  of\nall"),
        record(confidence=0.2, text="y" * 500, time="2026-03-02T12:00:01Z"),
        record(confidence=0.2, text="never seen", time="2026-03-02T12:00:02Z"),
        record(confidence=0.45, reason="low_confidence", intent="math", record=None),
        record(confidence=0.45, text="sure enough"),
    )

    page = report(capsysbinary, log)

    first, second = rows_of(page, "doubtful")
    assert first == {
        "intent": "chat",
        "second": "math",
        "requests": 3,
        "confidence": pytest.approx(0.7 / 3),
        "cost": 3.0,
        "examples": "first of all / " + "y" * 160 + "…",
    }
    assert (second["intent"], second["second"], second["examples"]) == ("math", None, None)


def test_feedback_is_joined_by_the_decision(tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    log = write_log(
        tmp_path / "r.jsonl",
        feedback("id-0", score=1.0),
        *[record(decision_id=f"id-{index}") for index in range(6)],
        *[feedback(f"id-{index}", score=0.5) for index in range(5)],
        feedback("id-5", label="math", comment="no"),
        feedback("gone", score=0.0),
    )

    page = report(capsysbinary, log)

    assert rows_of(page, "feedback", "tiers") == [
        {"tier": "simple", "requests": 5, "score": pytest.approx((0.75 + 4 * 0.5) / 5)}
    ]
    assert rows_of(page, "feedback", "labels") == [{"label": "math", "requests": 1, "with_text": 0}]
    assert page["figures"]["requests"] == 6
    assert "1 requests with feedback are not in the log." in page["notes"]


def test_lines_that_cannot_be_read_are_counted_and_named(
    tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    log = write_log(
        tmp_path / "r.jsonl",
        record(),
        b"",
        b'{"time": "2026-03-0',
        b'{"record": null, "start_time": "2026-03-02"}',
        record(seconds="fast"),
        record(time="yesterday"),
        record(time="2026-03-02T12:00:00"),
        record(result="fine"),
        feedback(score="good"),
        record(),
    )

    page = report(capsysbinary, log)

    assert page["figures"]["requests"] == 2
    (note,) = (note for note in page["notes"] if "could not be read" in note)
    assert note.startswith("7 of 9 lines could not be read and are not counted, the first of them: ")
    assert f"{log}:3: JSON is malformed: invalid character (byte 19); {log}:4: " in note
    assert f"{log}:4: expected a request record, or feedback; {log}:5: " in note
    assert "Expected `float | null`, got `str` - at `$.seconds`" in note
    assert f"{log}:9" not in note


@pytest.mark.parametrize(
    "more",
    [
        {"tenant": HOSTILE, "intent": HOSTILE, "model": HOSTILE, "tier": HOSTILE, "reason": HOSTILE},
        {"text": HOSTILE, "confidence": 0.1},
        {"attempts": [FAILED | {"error": HOSTILE, "model": "\U0001f600"}]},
        {"time": "0001-01-01T00:00:00+00:00"},
        {"time": "9999-12-31T23:59:59.999999Z"},
        {"time": "2026-W10-1T12:00:00+01:30"},
        {"cost": 1e300, "saving": -1e300},
        {"seconds": -1.0, "difficulty": 7.0},
        {"input_tokens": 2**60},
        {"plan": [], "attempts": [], "model": None},
        {"record": {"readings": []}},
        {"decision_id": "'; DROP TABLE records; --"},
    ],
)
def test_whatever_a_record_says_there_is_a_page(
    tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes], more: dict[str, Any]
) -> None:
    log = write_log(tmp_path / "r.jsonl", record(), record(**more))

    for out in ("r.html", "r.md"):
        assert main(["report", str(log), "-o", str(tmp_path / out)]) == 0

    page = (tmp_path / "r.html").read_text()
    assert "<script" not in page and "<script" not in (tmp_path / "r.md").read_text()
    assert report(capsysbinary, log)["figures"]["requests"] >= 1


def test_half_an_emoji_is_read(tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    line = json.dumps(record(text="cut \ud83d", confidence=0.1)).encode()

    assert rows_of(report(capsysbinary, write_log(tmp_path / "r", line)), "doubtful")[0]["examples"] == "cut \ufffd"


def test_html_and_markdown_say_the_same(tmp_path: Path) -> None:
    log = write_log(
        tmp_path / "r.jsonl",
        *[
            record(
                decision_id=f"id-{index}",
                difficulty=index / 200,
                tier=("simple", "complex")[index % 2],
                tenant=HOSTILE,
            )
            for index in range(200)
        ],
        *[feedback(f"id-{index}", score=0.5, label="math") for index in range(200)],
        record(confidence=0.1, text=HOSTILE, attempts=[FAILED]),
        b"{",
    )

    assert main(["report", str(log), "--out", str(tmp_path / "r.html")]) == 0
    assert main(["report", str(log), "--out", str(tmp_path / "also.html"), "--markdown"]) == 0

    body = (tmp_path / "r.html").read_text().partition("</head>")[2]
    in_html = "".join(html.unescape(re.sub(r"<title>.*?</title>|<[^>]*>", "\n", body)).split())
    for line in (tmp_path / "also.html").read_text().splitlines():
        for cell in re.split(r"(?<!\\)\|", line.strip("# -")):
            text = html.unescape(re.sub(r"\\(.)", r"\1", cell)).strip(" *:-#")
            assert "".join(text.split()) in in_html, cell


def test_the_page_fetches_nothing_and_runs_nothing(tmp_path: Path) -> None:
    log = write_log(tmp_path / "r.jsonl", *[record(time=f"2026-03-0{day}T00:00:00Z") for day in range(1, 8)])
    assert main(["report", str(log), "-o", str(tmp_path / "r.html")]) == 0
    page = (tmp_path / "r.html").read_text()

    assert "default-src 'none'" in page and "prefers-color-scheme: dark" in page
    assert not re.search(r"https?:|src=|href=|url\(|<script|<link|<iframe|@import|\son\w+=", page)
    assert page.count("<rect class=") > 14


def test_several_logs_compressed_or_not_are_one(tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    plain = write_log(tmp_path / "r.jsonl", record(decision_id="id-1"))
    old = tmp_path / "r.jsonl.1.gz"
    old.write_bytes(gzip.compress(plain.read_bytes() + b"{\n"))

    page = report(capsysbinary, plain, old)

    assert page["figures"]["requests"] == 2
    assert page["subtitle"].endswith(f"in {plain}, {old}.")
    assert f"{old}:2: " in page["notes"][0]


@pytest.mark.parametrize("lines", [[], [b"{"], [feedback(score=1.0)]])
def test_a_log_without_a_request_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], lines: list[dict[str, Any] | bytes]
) -> None:
    log = write_log(tmp_path / "r.jsonl", *lines)

    assert main(["report", str(log)]) == 0
    assert f"No request in {log}." in capsys.readouterr().out


def test_a_log_that_is_not_there_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(tmp_path / "none.jsonl")]) == 2
    assert capsys.readouterr().err == f"sidecar: {tmp_path / 'none.jsonl'}: No such file or directory\n"


def test_a_log_that_was_cut_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "r.jsonl.gz"
    log.write_bytes(gzip.compress(write_log(tmp_path / "r", *[record()] * 50).read_bytes())[:-20])

    assert main(["report", str(log)]) == 2
    assert f"sidecar: {log}: after line " in capsys.readouterr().err


def test_without_the_extra_the_command_says_how_to_get_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("sidecar.reporting")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "duckdb", None)

    assert main(["report", str(write_log(tmp_path / "r.jsonl", record()))]) == 2
    assert capsys.readouterr().err == "sidecar: report needs duckdb: pip install 'envoy-llm-sidecar[report]'\n"
