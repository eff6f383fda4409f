"""Feedback and sampled texts become lines that training reads."""

import json
from pathlib import Path

import pytest

from sidecar.cli import main
from sidecar.finetuning.labels import read_labelled
from tests.reporting.logs import feedback, record, write_log


def test_labels_of_sampled_texts_are_training_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = write_log(
        tmp_path / "r.jsonl",
        record(decision_id="a", text="What is 2 + 2?", tenant="acme"),
        record(decision_id="b", text="Prove it.\n\u2028", time="2026-03-02T12:00:01Z"),
        record(decision_id="c", text="Hm"),
        record(decision_id="d"),
        record(decision_id="e", text="no label"),
        feedback("a", label="chat"),
        {"feedback": {"time": "2026-03-02T14:00:00.000000Z", "decision_id": "a", "label": "math"}},
        feedback("b", label="complex"),
        feedback("c", label="too long"),
        feedback("d", label="math"),
        feedback("e", score=0.0),
    )

    assert main(["report", str(log), "-o", str(tmp_path / "r.md"), "--labels", str(tmp_path / "l.jsonl")]) == 0

    assert [json.loads(line) for line in (tmp_path / "l.jsonl").read_bytes().splitlines()] == [
        {"text": "What is 2 + 2?", "intent": "math", "group": "acme"},
        {"text": "Prove it.\n\u2028", "tier": "complex"},
    ]
    assert capsys.readouterr().err == (
        "sidecar: 1 intents and 1 tiers written; left out, as no intent or tier: too long (1)\n"
    )


def test_training_reads_them(tmp_path: Path) -> None:
    log = write_log(
        tmp_path / "r.jsonl",
        *[record(decision_id=f"id-{index}", text=f"prompt {index}", tenant="acme") for index in range(60)],
        *[feedback(f"id-{index}", label=("math", "chat", "reasoning")[index % 3]) for index in range(60)],
    )
    assert main(["report", str(log), "-o", str(tmp_path / "r.md"), "--labels", str(tmp_path / "l.jsonl")]) == 0

    labelled = read_labelled(tmp_path / "l.jsonl", ("chat", "math"))

    assert len(labelled.prompts) == 60
    assert labelled.intents == ("chat", "math")
