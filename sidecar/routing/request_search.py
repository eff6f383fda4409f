"""Keyword and pattern lists that are looked for everywhere in a request, and not in its prompt alone."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from sidecar.routing.phrases import PatternList, PhraseList
from sidecar.routing.request import ChatRequest
from sidecar.routing.signals import Signals


@dataclass(frozen=True, slots=True)
class RequestSearch:
    """By the policy's names for them."""

    keywords: Mapping[str, PhraseList] = field(default_factory=dict)
    patterns: Mapping[str, PatternList] = field(default_factory=dict)

    def add_to(self, signals: Signals, request: ChatRequest) -> Signals:
        """With the names of those that are found. Of a request too large to be searched the prompt still is."""
        if not self.keywords and not self.patterns:
            return signals
        text = request.prompt if request.texts is None else "\n".join(request.texts)
        return replace(
            signals,
            keywords=signals.keywords | {name for name, phrases in self.keywords.items() if phrases.found_in(text)},
            patterns=signals.patterns | {name for name, patterns in self.patterns.items() if patterns.found_in(text)},
        )
