"""What a classifier says of a prompt, and how it says that it cannot."""

from dataclasses import dataclass
from typing import Protocol

from sidecar.routing.reason import Reason


@dataclass(frozen=True, slots=True)
class Classification:
    """A classifier's reading of one prompt."""

    intent: str
    confidence: float
    """Calibrated probability of the intent, 0 to 1."""
    difficulty: float | None
    """0 when any model will do, 1 when only the strongest will; None from a model without that head."""
    truncated: bool
    """The model saw only the prompt's beginning and end."""
    cached: bool = False


class ClassifierUnavailableError(Exception):
    """The classifier gave no answer; the fallback does. Each subclass is one reason."""

    reason: Reason = Reason.CLASSIFIER_FAILED


class ClassifierFailedError(ClassifierUnavailableError):
    """It raised an error of its own."""


class ClassifierOverloadedError(ClassifierUnavailableError):
    """More prompts wait than it could classify in time."""

    reason = Reason.CLASSIFIER_OVERLOADED


class ClassifierTimeoutError(ClassifierUnavailableError):
    """It missed the deadline."""

    reason = Reason.CLASSIFIER_TIMEOUT


class Classifier(Protocol):
    """The port through which the core asks for a classification."""

    async def classify(self, prompt: str) -> Classification:
        """Raises ClassifierUnavailableError; cancelling it must be safe at any time."""
        ...
