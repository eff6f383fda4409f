"""What a classifier says of a prompt, and how it says that it cannot."""

from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from sidecar.routing.reason import Reason

Embedding: TypeAlias = Any
"""A prompt as a vector, in whatever form the classifier has it; the core only hands it on."""


@dataclass(frozen=True, slots=True)
class Example:
    """The intent, of those that a policy gives examples of, whose examples the prompt is closest to."""

    intent: str
    similarity: float
    """Cosine of the closest example, -1 to 1; not less than the policy's threshold."""


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
    likeliest: tuple[tuple[str, float], ...] = ()
    """The three likeliest intents and their probabilities, most likely first."""
    embedding: Embedding | None = field(default=None, compare=False, repr=False)
    """Not compared: vectors have an equality of their own, which is no truth value."""
    example: Example | None = None

    @property
    def settled_intent(self) -> str:
        """The one that counts: a policy's own, if its examples are close enough, before the classifier's."""
        return self.example.intent if self.example is not None else self.intent


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

    async def classify(self, prompt: str, owner: str = "") -> Classification:
        """Raises ClassifierUnavailableError; cancelling it must be safe at any time.

        `owner` is the tenant: what was remembered for one is not shown to another.
        """
        ...


class ExampleMatcher(Protocol):
    """The port through which the core compares a prompt with a policy's examples."""

    def match(self, embedding: Embedding | None) -> Example | None:
        """None if no example is close enough."""
        ...
