"""Record logs with figures that can be worked out by hand."""

from pathlib import Path
from typing import Any

import msgspec

ATTEMPT = {"model": "small", "provider": "acme", "status": 200, "seconds": 1.0, "error": None, "cost": 0.5}


def record(**more: Any) -> dict[str, Any]:
    """A success of the model small that cost 1 dollar, where the fallback would have cost 3."""
    return {
        "time": "2026-03-02T12:00:00.000000Z",
        "decision_id": "id-1",
        "result": "success",
        "bypassed": False,
        "tenant": None,
        "reason": "difficulty",
        "tier": "simple",
        "intent": "chat",
        "confidence": 0.9,
        "difficulty": 0.1,
        "plan": ["small", "large"],
        "policy": "p1",
        "classifier": "c1",
        "cached": False,
        "model": "small",
        "attempts": [ATTEMPT],
        "status": 200,
        "input_tokens": 10,
        "output_tokens": 20,
        "estimated": False,
        "cost": 1.0,
        "baseline_cost": 3.0,
        "saving": 2.0,
        "seconds": 2.0,
        "first_byte_seconds": 0.5,
        "parse_seconds": 0.001,
        "classify_seconds": 0.005,
        "decide_seconds": 0.001,
        "record": {"readings": [{"likeliest": [["chat", 0.9], ["math", 0.1]]}]},
    } | more


def feedback(decision_id: str = "id-1", **more: Any) -> dict[str, Any]:
    """A line of the log."""
    return {"feedback": {"time": "2026-03-02T13:00:00.000000Z", "decision_id": decision_id, **more}}


def write_log(file: Path, *lines: dict[str, Any] | bytes) -> Path:
    """Objects become JSON; bytes stay what they are."""
    file.write_bytes(
        b"".join((each if isinstance(each, bytes) else msgspec.json.encode(each)) + b"\n" for each in lines)
    )
    return file
