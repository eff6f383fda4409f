"""Why a request was decided as it was: a closed list, the same word in headers, metadata, metrics and spans."""

from enum import StrEnum


class Reason(StrEnum):
    """The one thing that settled a decision."""

    INTENT = "intent"
    """The tier is the least that the policy gives the intent."""
    DIFFICULTY = "difficulty"
    """The tier is that of the difficulty."""
    LOW_CONFIDENCE = "low_confidence"
    """The classifier was unsure, so the tier above was taken."""
    EXAMPLE = "example"
    """The prompt is close to an example that the policy gives of an intent, and that intent has the tier."""
    CONVERSATION = "conversation"
    """An earlier turn of the conversation needed this tier, and within a conversation it never goes down."""
    RULE = "rule"
    """A rule of the policy, or the virtual model's own setting, fixes the models or the tier, or bounds it."""
    CALLER = "caller"
    """The caller asked for the tier, and the policy lets it."""
    PINNED = "pinned"
    """The request names a model of the policy."""

    NO_PROMPT = "no_prompt"
    """There was no text to classify, or more structure than would be read: the fallback answers."""
    CLASSIFIER_TIMEOUT = "classifier_timeout"
    """The classifier missed its deadline: the fallback answers."""
    CLASSIFIER_OVERLOADED = "classifier_overloaded"
    """More prompts waited than could be classified in time: the fallback answers."""
    CLASSIFIER_FAILED = "classifier_failed"
    """The classifier raised an error: the fallback answers."""

    INVALID_REQUEST = "invalid_request"
    """Rejected: the body is not a request of its API."""
    UNKNOWN_MODEL = "unknown_model"
    """Rejected: the policy has no such model for this API."""
    REJECTED_BY_RULE = "rejected_by_rule"
    """Rejected: a rule of the policy says so."""
    NO_CANDIDATE = "no_candidate"
    """Rejected: no model of the policy can take the request."""
