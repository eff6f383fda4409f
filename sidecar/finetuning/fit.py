"""The training loop: batches by length, one optimiser, two losses, a checkpoint that an interrupted run resumes."""

from __future__ import annotations

import copy
import hashlib
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from sidecar.finetuning.augment import careless_copy
from sidecar.finetuning.network import Classifier
from sidecar.finetuning.prompt import Prompt
from sidecar.inference.tokenizer import PromptTokenizer
from sidecar.routing.tier import Tier

Progress = Callable[[int, int, float, float], None]
"""Called with steps done, steps in all, the recent loss, and the seconds that are left."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a run depends on besides its data."""

    seed: int = 17
    epochs: float = 2.4
    batch_size: int = 32
    encoder_learning_rate: float = 2e-4
    head_learning_rate: float = 1e-3
    embedding_learning_rate: float = 0.0
    """Of the word embeddings; 0 freezes them."""
    warmup_share: float = 0.06
    frozen_layers: int = 0
    """How many of the lowest layers keep their weights."""
    label_smoothing: float = 0.05
    tier_weight: float = 0.5
    failure_weight: float = 0.3
    author_offsets: bool = True
    """Whether each author of tier labels has a strictness of its own."""
    teacher_share: float = 0.5
    """How much of the target is a teacher's, where a prompt has one."""
    steps_per_checkpoint: int = 200
    patience: int = 0
    """Stop after so many checkpoints without a better validation; 0: never validate, keep the last weights."""


@dataclass(frozen=True, slots=True)
class _Example:
    """A prompt as the loss sees it; a target without a label has weight 0."""

    ids: NDArray[np.int64]
    characters: int
    intents: NDArray[np.float32]
    intent_weight: float
    above: NDArray[np.float32]
    tier_weight: float
    failure: float
    failure_weight: float
    base_rate: int
    """Which source's base rate applies to the failure; 0 is none."""
    author: int
    """Whose strictness applies to the tier; 0 is nobody's."""


class _Examples:
    """Turns prompts into examples of one run."""

    def __init__(
        self, prompts: Sequence[Prompt], tokenizer: PromptTokenizer, intents: int, settings: Settings
    ) -> None:
        self._prompts = prompts
        self._tokenizer = tokenizer
        self._intents = intents
        self._settings = settings
        self.graded_sources = sorted({p.group for p in prompts if p.failure is not None})
        self.authors = sorted({p.group for p in prompts if p.tier is not None and self._has_author(p)})
        # Texts as they are come back in each epoch; only copies are new.
        self._plain = [self._example(p, p.text) for p in prompts]

    def batches(self, steps: int) -> Iterator[list[_Example]]:
        epoch = 0
        while steps > 0:
            batches = self.epoch(epoch)[:steps]
            yield from batches
            steps -= len(batches)
            epoch += 1

    def epoch(self, epoch: int) -> list[list[_Example]]:
        """One pass: every prompt, and as many careless copies of it as it asks for."""
        rng = random.Random(self._settings.seed * 1_000 + epoch)  # noqa: S311  # it shuffles; nothing is secret
        examples = list(self._plain)
        for prompt in self._prompts:
            examples += [self._example(prompt, careless_copy(prompt.text, rng)) for _ in range(prompt.copies)]
        rng.shuffle(examples)
        # Sorting within a stretch of the shuffled pass puts like lengths together: little is computed on padding.
        size = self._settings.batch_size
        stretch = 40 * size
        batches = []
        for start in range(0, len(examples), stretch):
            by_length = sorted(examples[start : start + stretch], key=lambda e: len(e.ids))
            batches += [by_length[i : i + size] for i in range(0, len(by_length), size)]
        rng.shuffle(batches)
        return batches

    def _example(self, prompt: Prompt, text: str) -> _Example:
        tokens = self._tokenizer.encode(text)
        intents = np.zeros(self._intents, dtype=np.float32)
        above = np.zeros(len(Tier) - 1, dtype=np.float32)
        if prompt.intent is not None:
            smoothing = self._settings.label_smoothing
            intents += smoothing / self._intents
            intents[prompt.intent] += 1 - smoothing
        if prompt.tier is not None:
            above[: prompt.tier] = 1
        if prompt.teaching is not None:
            intents = self._mixed(intents, prompt.teaching.intents, is_labelled=prompt.intent is not None)
            above = self._mixed(above, prompt.teaching.above, is_labelled=prompt.tier is not None)
        is_taught = prompt.teaching is not None
        return _Example(
            ids=tokens.input_ids[0],
            characters=tokens.characters,
            intents=intents,
            intent_weight=prompt.weight if prompt.intent is not None or is_taught else 0.0,
            above=above,
            tier_weight=prompt.weight if prompt.tier is not None or is_taught else 0.0,
            failure=prompt.failure or 0.0,
            failure_weight=0.0 if prompt.failure is None else prompt.weight,
            base_rate=0 if prompt.failure is None else self.graded_sources.index(prompt.group) + 1,
            author=self.authors.index(prompt.group) + 1
            if prompt.tier is not None and self._has_author(prompt)
            else 0,
        )

    def _has_author(self, prompt: Prompt) -> bool:
        return self._settings.author_offsets and bool(prompt.group)

    def _mixed(
        self, label: NDArray[np.float32], teacher: NDArray[np.float32], *, is_labelled: bool
    ) -> NDArray[np.float32]:
        share = np.float32(self._settings.teacher_share if is_labelled else 1.0)
        return label * (1 - share) + teacher * share


def fit(
    network: Classifier,
    prompts: Sequence[Prompt],
    tokenizer: PromptTokenizer,
    settings: Settings,
    checkpoint: Path,
    *,
    progress: Progress,
    validate: Callable[[Classifier], float] | None = None,
) -> None:
    """Fine-tune `network` in place, going on from `checkpoint` when its run began with the same in every way.

    With `validate` (higher is better) the best weights are kept, and the run stops when they get no better.
    """
    torch.manual_seed(settings.seed)
    _freeze(network, settings)
    examples = _Examples(prompts, tokenizer, network.intent_head.out_features, settings)
    offsets = _Offsets(len(examples.graded_sources), len(examples.authors))
    steps = max(1, round(settings.epochs * len(examples.epoch(0))))
    run = _Run(network, offsets, settings, steps, checkpoint)
    run.resume(asdict(settings) | {"steps": steps, "start": _fingerprint(network, prompts)})

    network.train()
    started, already, recent = time.monotonic(), run.done, 0.0
    for step, batch in enumerate(examples.batches(steps)):
        if step < already:
            continue
        # Before a step, since a run may have been interrupted just after its last one.
        if run.is_stale():
            break
        loss = run.step(batch)
        recent = loss if step == already else 0.98 * recent + 0.02 * loss
        if run.done % 20 == 0 or run.done == steps:
            seconds = (time.monotonic() - started) / (run.done - already)
            progress(run.done, steps, recent, seconds * (steps - run.done))
        if run.done % settings.steps_per_checkpoint == 0 or run.done == steps:
            if validate is not None:
                run.judge(validate)
            run.save()
    run.restore_best()
    network.eval()


def _fingerprint(network: Classifier, prompts: Sequence[Prompt]) -> str:
    """Of the weights and the prompts that a run begins with."""
    digest = hashlib.sha256()
    for tensor in network.state_dict().values():
        digest.update(tensor.numpy().tobytes())
    for prompt in prompts:
        digest.update(repr(prompt).encode())
    return digest.hexdigest()


class _Offsets(nn.Module):
    """How strict each grader and each author is, learnt beside the network and dropped after training.

    Base rates differ by source because graders do, and one author's moderate is another's complex: the shared head
    learns only what makes a prompt harder than others of its source.
    """

    def __init__(self, sources: int, authors: int) -> None:
        super().__init__()
        self.of_source = nn.Embedding(sources + 1, 1, padding_idx=0)
        self.of_author = nn.Embedding(authors + 1, 1, padding_idx=0)
        nn.init.zeros_(self.of_source.weight)
        nn.init.zeros_(self.of_author.weight)


class _Run:
    """Everything that changes while fitting, and that a checkpoint has to hold."""

    def __init__(
        self, network: Classifier, offsets: _Offsets, settings: Settings, steps: int, checkpoint: Path
    ) -> None:
        self.done = 0
        self._network = network
        self._offsets = offsets
        self._settings = settings
        self._optimiser = _optimiser(network, offsets, settings)
        self._schedule = torch.optim.lr_scheduler.LambdaLR(self._optimiser, lambda step: _rate(step, steps, settings))
        self._checkpoint = checkpoint
        self._identity: dict[str, Any] = {}
        self._parts: dict[str, Any] = {
            "network": network,
            "offsets": offsets,
            "optimiser": self._optimiser,
            "schedule": self._schedule,
        }
        self._best: float | None = None
        self._best_weights: dict[str, Tensor] | None = None
        self._judged_since_best = 0

    def step(self, batch: list[_Example]) -> float:
        """One step of the optimiser; returns the loss."""
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = _loss(self._network, self._offsets, batch, self._settings)
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self._network.parameters(), 1.0)
        self._optimiser.step()
        self._schedule.step()
        self.done += 1
        return float(loss.detach())

    def judge(self, validate: Callable[[Classifier], float]) -> None:
        """Remember the weights if they are the best so far."""
        figure = validate(self._network.eval())
        self._network.train()
        if self._best is None or figure > self._best:
            self._best, self._judged_since_best = figure, 0
            self._best_weights = copy.deepcopy(self._network.state_dict())
        else:
            self._judged_since_best += 1

    def is_stale(self) -> bool:
        return 0 < self._settings.patience <= self._judged_since_best

    def restore_best(self) -> None:
        if self._best_weights is not None:
            self._network.load_state_dict(self._best_weights)

    def save(self) -> None:
        state = {name: part.state_dict() for name, part in self._parts.items()}
        state |= {
            "identity": self._identity,
            "done": self.done,
            "random": torch.get_rng_state(),
            "best": self._best,
            "best_weights": self._best_weights,
            "judged_since_best": self._judged_since_best,
        }
        # Written aside first: a crash while writing must not take the last good checkpoint with it.
        aside = self._checkpoint.with_suffix(".part")
        torch.save(state, aside)
        aside.replace(self._checkpoint)

    def resume(self, identity: dict[str, Any]) -> None:
        self._identity = identity
        if not self._checkpoint.exists():
            return
        state = torch.load(self._checkpoint, weights_only=True)
        if state["identity"] != identity:
            return
        for name, part in self._parts.items():
            part.load_state_dict(state[name])
        torch.set_rng_state(state["random"])
        self.done = state["done"]
        self._best, self._best_weights = state["best"], state["best_weights"]
        self._judged_since_best = state["judged_since_best"]


def collate(ids: Sequence[NDArray[np.int64]], characters: Sequence[int]) -> tuple[Tensor, Tensor, Tensor]:
    """Ids and mask of shape (batch, longest row), characters of shape (batch)."""
    padded = np.zeros((len(ids), max(map(len, ids))), dtype=np.int64)
    mask = np.zeros_like(padded)
    for i, row in enumerate(ids):
        padded[i, : len(row)] = row
        mask[i, : len(row)] = 1
    return torch.from_numpy(padded), torch.from_numpy(mask), torch.tensor(list(characters))


def fit_temperature(network: Classifier, prompts: Sequence[Prompt], tokenizer: PromptTokenizer) -> float:
    """Divide the intent logits by what makes them likeliest on `prompts`; sets it and returns it."""
    network.eval()
    labelled = [p for p in prompts if p.intent is not None]
    with torch.inference_mode():
        outputs = []
        for prompt in labelled:
            tokens = tokenizer.encode(prompt.text)
            outputs.append(network(*collate([tokens.input_ids[0]], [tokens.characters])).intent_logits)
    logits = torch.cat(outputs).clone()
    intents = torch.tensor([p.intent for p in labelled])
    candidates = torch.linspace(0.5, 4.0, 351)
    losses = torch.stack([functional.cross_entropy(logits / t, intents) for t in candidates])
    network.temperature *= candidates[losses.argmin()]
    return float(network.temperature)


def _loss(network: Classifier, offsets: _Offsets, batch: list[_Example], settings: Settings) -> Tensor:
    outputs = network(*collate([e.ids for e in batch], [e.characters for e in batch]))
    intents = torch.from_numpy(np.stack([e.intents for e in batch]))
    intent_loss = -(intents * outputs.intent_logits.float().log_softmax(dim=1)).sum(dim=1)
    above = torch.from_numpy(np.stack([e.above for e in batch]))
    strictness = offsets.of_author(torch.tensor([e.author for e in batch]))
    tier_loss = functional.binary_cross_entropy_with_logits(
        outputs.tier_logits + strictness, above, reduction="none"
    ).mean(dim=1)
    base_rates = offsets.of_source(torch.tensor([e.base_rate for e in batch])).squeeze(-1)
    failure_loss = functional.binary_cross_entropy_with_logits(
        outputs.difficulty_logit.float() + base_rates, torch.tensor([e.failure for e in batch]), reduction="none"
    )
    intent_weights = torch.tensor([e.intent_weight for e in batch])
    tier_weights = torch.tensor([e.tier_weight for e in batch]) * settings.tier_weight * (len(Tier) - 1)
    failure_weights = torch.tensor([e.failure_weight for e in batch]) * settings.failure_weight
    weighted = intent_loss * intent_weights + tier_loss * tier_weights + failure_loss * failure_weights
    return weighted.mean()


def _freeze(network: Classifier, settings: Settings) -> None:
    lowest: list[nn.Module] = [network.encoder.embeddings] if settings.frozen_layers else []
    for module in [*lowest, *list(network.encoder.transformer["layer"])[: settings.frozen_layers]]:
        module.requires_grad_(False)
    # The 13 million word embeddings would be half of all weights to train, on too few prompts to move most of
    # them; frozen, unseen words stay where pretraining put them.
    network.encoder.embeddings.word_embeddings.weight.requires_grad_(settings.embedding_learning_rate > 0)


def _optimiser(network: Classifier, offsets: _Offsets, settings: Settings) -> torch.optim.Optimizer:
    words = network.encoder.embeddings.word_embeddings.weight
    encoder = [p for p in network.encoder.parameters() if p.requires_grad and p is not words]
    in_encoder = {id(p) for p in network.encoder.parameters()}
    heads = [p for p in network.parameters() if id(p) not in in_encoder]
    return torch.optim.AdamW(
        [
            {
                "params": [words] if words.requires_grad else [],
                "lr": settings.embedding_learning_rate,
                "weight_decay": 0.0,
            },
            {"params": encoder, "lr": settings.encoder_learning_rate},
            {"params": [*heads, *offsets.parameters()], "lr": settings.head_learning_rate},
        ],
        weight_decay=0.01,
    )


def _rate(step: int, steps: int, settings: Settings) -> float:
    """Share of the full learning rate: up over the warm-up, then straight down to 0."""
    warmup = max(1, round(settings.warmup_share * steps))
    if step < warmup:
        return (step + 1) / warmup
    return max(0.0, (steps - step) / max(1, steps - warmup))
