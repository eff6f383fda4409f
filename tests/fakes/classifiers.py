"""Classifiers that do as they are told."""

import asyncio

from sidecar.routing.classification import Classification, ClassifierUnavailableError


def classification(
    intent: str = "chat", *, confidence: float = 0.9, difficulty: float | None = 0.1, truncated: bool = False
) -> Classification:
    """A sure classification of something easy, unless told otherwise."""
    return Classification(intent, confidence, difficulty, truncated)


class AnsweringClassifier:
    """Says the same of every prompt, at once, and remembers the prompts and whose they were."""

    def __init__(self, answer: Classification | None = None) -> None:
        self._answer = answer or classification()
        self.prompts: list[str] = []
        self.owners: list[str] = []

    async def classify(self, prompt: str, owner: str = "") -> Classification:
        """The answer."""
        self.prompts.append(prompt)
        self.owners.append(owner)
        return self._answer


class FailingClassifier:
    """Raises the same error for every prompt."""

    def __init__(self, error: ClassifierUnavailableError) -> None:
        self._error = error
        self.asked = 0

    async def classify(self, prompt: str, owner: str = "") -> Classification:
        """Never returns one."""
        self.asked += 1
        raise self._error


class HangingClassifier:
    """Answers nobody until it is told to."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.cancelled = asyncio.Event()
        self.answer: asyncio.Future[Classification] = asyncio.get_running_loop().create_future()

    async def classify(self, prompt: str, owner: str = "") -> Classification:
        """`self.answer`, once somebody sets it."""
        self.asked.set()
        try:
            return await asyncio.shield(self.answer)
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
