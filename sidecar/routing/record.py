"""The decision record: one JSON object that says what was decided, on what grounds, and what else was possible.

Canonical: the same policy, signals and classifications give the same bytes in the server, in Envoy's log and in every
tool. So there are no ids and no text of the request in it, numbers are rounded, and of the time it says only in which
of the policy's windows it was.
"""

import msgspec

from sidecar.routing.classification import Classification
from sidecar.routing.decision import Decision
from sidecar.routing.plan import estimate_cost
from sidecar.routing.rejection import RejectedError
from sidecar.routing.signals import Signals, describe_signals
from sidecar.routing.trail import Trail

_DIGITS = 4
_COST_DIGITS = 8


def decision_record(decision: Decision, classifier: str) -> bytes:
    """`classifier` is the version of the model that read the prompt."""
    return _encode(
        {
            **_head(decision.policy_hash, classifier, decision.trail),
            "reason": decision.reason.value,
            "tier": decision.tier.label,
            "model": decision.model.name,
            "plan": [
                {"model": model.name, "cost": round(estimate_cost(model, decision.signals), _COST_DIGITS)}
                for model in decision.plan
            ],
            **_grounds(decision.signals, decision.trail),
        }
    )


def rejection_record(
    rejection: RejectedError, policy_hash: str, signals: Signals | None, trail: Trail, classifier: str
) -> bytes:
    """Without signals if the body could not be read."""
    return _encode(
        {
            **_head(policy_hash, classifier, trail),
            "reason": rejection.reason.value,
            "status": rejection.status,
            **({} if signals is None else _grounds(signals, trail)),
        }
    )


def _head(policy_hash: str, classifier: str, trail: Trail) -> dict[str, object]:
    return {"policy": policy_hash, "classifier": classifier if trail.readings else None}


def _grounds(signals: Signals, trail: Trail) -> dict[str, object]:
    return {
        "rule": trail.rule,
        "arm": trail.arm,
        "requirements": trail.requirements,
        "moves": [[move.reason.value, move.tier.label] for move in trail.moves],
        "excluded": trail.excluded,
        "classification": _classification(trail),
        "readings": [_describe(reading) for reading in trail.readings],
        "earlier": [_describe(reading) for reading in trail.earlier],
        "unread": trail.unread,
        "signals": {**describe_signals(signals), "time": trail.windows},
    }


def _classification(trail: Trail) -> str:
    """`skipped` where nothing depended on it; else why there is none, though a rule may have settled the request."""
    if trail.readings:
        return "done"
    return "skipped" if trail.missing is None else trail.missing.value


def _describe(reading: Classification) -> dict[str, object]:
    example = reading.example
    return {
        "intent": reading.intent,
        "confidence": round(reading.confidence, _DIGITS),
        "difficulty": None if reading.difficulty is None else round(reading.difficulty, _DIGITS),
        "truncated": reading.truncated,
        "likeliest": [[intent, round(probability, _DIGITS)] for intent, probability in reading.likeliest],
        "example": None if example is None else [example.intent, round(example.similarity, _DIGITS)],
    }


def _encode(record: dict[str, object]) -> bytes:
    return msgspec.json.encode(record)
