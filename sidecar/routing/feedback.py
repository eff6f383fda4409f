"""What somebody thought of an answer, told afterwards by the decision's id."""

import msgspec


class Feedback(msgspec.Struct, frozen=True):
    """In the record log a line of its own, `{"feedback": {…}}`. At least one of score and label is there."""

    time: str
    """When it was given, RFC 3339 in UTC, microseconds."""
    decision_id: str
    score: float | None = None
    """0 (useless) to 1 (just right)."""
    label: str | None = None
    """A word of whoever gives it: an intent, a tier, or what was wrong."""
    comment: str | None = None
