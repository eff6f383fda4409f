"""Owns the classifiers that the model must beat to be worth its milliseconds."""

from __future__ import annotations

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from sidecar.offline.answers import Answers
from sidecar.routing.tier import Tier
from training.data import Prompt
from training.labels import INTENTS


class TfidfRegression:
    """Words and word pairs, weighted by rarity, into logistic regressions for intent and difficulty."""

    name = "TF-IDF + LR"

    def __init__(self, prompts: list[Prompt], seed: int, solver: str = "lbfgs") -> None:
        """`solver`: scikit-learn's; "sag" comes to the same within a percent of the answers, many times sooner."""
        self._vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2)
        self._intents = LogisticRegression(C=10.0, max_iter=300, random_state=seed, solver=solver)
        self._difficulties = LogisticRegression(C=1.0, max_iter=300, random_state=seed, solver=solver)
        features = self._vectorizer.fit_transform([p.text for p in prompts])
        with_intent = [i for i, p in enumerate(prompts) if p.intent is not None]
        self._intents.fit(features[with_intent], [prompts[i].intent for i in with_intent])
        # Tiers only: per-source base rates would need the model's own trick.
        with_tier = [i for i, p in enumerate(prompts) if p.tier is not None]
        self._difficulties.fit(features[with_tier], [_is_above_simple(prompts[i]) for i in with_tier])

    def answer(self, texts: list[str]) -> Answers:
        features = self._vectorizer.transform(texts)
        return Answers(
            probabilities=self._intents.predict_proba(features),
            difficulties=self._difficulties.predict_proba(features)[:, 1],
        )


class LengthOnly:
    """The commonest intent, and a difficulty that grows with the number of characters."""

    name = "majority, length"

    def __init__(self, prompts: list[Prompt]) -> None:
        counts = np.bincount([p.intent for p in prompts if p.intent is not None], minlength=len(INTENTS))
        self._shares = counts / counts.sum()

    def answer(self, texts: list[str]) -> Answers:
        lengths = np.log1p([len(text) for text in texts])
        return Answers(
            probabilities=np.tile(self._shares, (len(texts), 1)),
            difficulties=lengths / (1.0 + lengths),
        )


def _is_above_simple(prompt: Prompt) -> bool:
    return prompt.tier is not None and prompt.tier > Tier.SIMPLE
