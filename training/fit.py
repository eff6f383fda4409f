"""Owns fine-tuning: batches by length, one optimiser, two losses, a checkpoint that an interrupted run resumes."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from sidecar.inference.tokenizer import PromptTokenizer
from training.base_model import load_encoder
from training.data import Prompt, careless_copy
from training.network import Classifier, Shape


@dataclass(frozen=True, slots=True)
class Settings:
    """What a run depends on besides its data."""

    seed: int = 17
    epochs: float = 2.6
    batch_size: int = 32
    encoder_learning_rate: float = 2e-4
    head_learning_rate: float = 1e-3
    warmup_share: float = 0.06
    # Collected labels come from the source as a whole, not from a look at each prompt.
    collected_intent_weight: float = 0.7
    difficulty_weight: float = 0.8
    collected_difficulty_weight: float = 0.3
    label_smoothing: float = 0.05
    steps_per_checkpoint: int = 200


@dataclass(frozen=True, slots=True)
class Example:
    """A prompt as ids, with its targets and weights; a target without a label has weight 0."""

    ids: list[int]
    intent: int
    intent_weight: float
    difficulty: float
    difficulty_weight: float
    base_rate: int
    """Which source's base rate applies to the difficulty; 0 is the authored scale, which has none."""


def fit(prompts: list[Prompt], tokenizer: PromptTokenizer, settings: Settings, checkpoint: Path) -> Classifier:
    """Fine-tune on `prompts`, going on from `checkpoint` when its run had these settings and as many prompts."""
    torch.manual_seed(settings.seed)
    shape = Shape()
    network = Classifier(shape, load_encoder(shape))
    # The 11.7 million word embeddings would be half of all weights to train, on too few prompts to move most
    # of them; frozen, unseen words stay where pretraining put them.
    network.encoder.embeddings.word_embeddings.weight.requires_grad_(False)
    sources = sorted({p.group for p in prompts if p.intent is None})
    # Base rates differ by source because graders do. Each source learns its own offset, dropped after training,
    # and the shared head learns only what makes a prompt harder than others of its source.
    base_rates = nn.Embedding(len(sources) + 1, 1, padding_idx=0)
    nn.init.zeros_(base_rates.weight)

    optimiser = _optimiser(network, base_rates, settings)
    epoch_steps = len(_epoch(prompts, tokenizer, sources, settings, epoch=0))
    steps = round(settings.epochs * epoch_steps)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _rate(step, steps, settings))
    parts: dict[str, Any] = {
        "network": network,
        "base_rates": base_rates,
        "optimiser": optimiser,
        "schedule": schedule,
    }
    identity = asdict(settings) | {"steps": steps, "prompts": len(prompts)}
    done = _resume(checkpoint, parts, identity)

    network.train()
    started, recent = time.monotonic(), 0.0
    for step, batch in enumerate(_batches(prompts, tokenizer, sources, settings, steps)):
        if step < done:
            continue
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = _loss(network, base_rates, batch, settings)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        recent = loss.item() if step == done else 0.98 * recent + 0.02 * loss.item()
        if (step + 1) % 50 == 0:
            seconds_left = (time.monotonic() - started) / (step + 1 - done) * (steps - step - 1)
            print(f"step {step + 1}/{steps}  loss {recent:.3f}  {seconds_left / 60:.0f} min left", flush=True)
        if (step + 1) % settings.steps_per_checkpoint == 0 or step + 1 == steps:
            _save(checkpoint, parts, identity, step + 1)
    return network.eval()


def collate(rows: list[list[int]]) -> tuple[Tensor, Tensor]:
    """Ids and mask of shape (batch, longest row)."""
    longest = max(len(row) for row in rows)
    ids = torch.tensor([row + [0] * (longest - len(row)) for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows])
    return ids, mask


def fit_temperature(network: Classifier, prompts: list[Prompt], tokenizer: PromptTokenizer) -> float:
    """Divide the intent logits by what makes them likeliest on `prompts`; sets it and returns it."""
    network.eval()
    with torch.inference_mode():
        outputs = [network(*collate([_ids(tokenizer, p.text)]))[0] for p in prompts]
    logits = torch.cat(outputs).clone()
    intents = torch.tensor([p.intent for p in prompts])
    candidates = torch.linspace(0.5, 4.0, 351)
    losses = torch.stack([functional.cross_entropy(logits / t, intents) for t in candidates])
    network.temperature *= candidates[losses.argmin()]
    return float(network.temperature)


def _loss(network: Classifier, base_rates: nn.Embedding, batch: list[Example], settings: Settings) -> Tensor:
    intent_logits, difficulty_logits, _ = network(*collate([e.ids for e in batch]))
    intent_loss = functional.cross_entropy(
        intent_logits.float(),
        torch.tensor([e.intent for e in batch]),
        reduction="none",
        label_smoothing=settings.label_smoothing,
    )
    offsets = base_rates(torch.tensor([e.base_rate for e in batch])).squeeze(-1)
    difficulty_loss = functional.binary_cross_entropy_with_logits(
        difficulty_logits.float() + offsets, torch.tensor([e.difficulty for e in batch]), reduction="none"
    )
    intent_weights = torch.tensor([e.intent_weight for e in batch])
    difficulty_weights = torch.tensor([e.difficulty_weight for e in batch]) * settings.difficulty_weight
    return (intent_loss * intent_weights + difficulty_loss * difficulty_weights).mean()


def _batches(
    prompts: list[Prompt], tokenizer: PromptTokenizer, sources: list[str], settings: Settings, steps: int
) -> Iterator[list[Example]]:
    epoch = 0
    while steps > 0:
        batches = _epoch(prompts, tokenizer, sources, settings, epoch)[:steps]
        yield from batches
        steps -= len(batches)
        epoch += 1


def _epoch(
    prompts: list[Prompt], tokenizer: PromptTokenizer, sources: list[str], settings: Settings, epoch: int
) -> list[list[Example]]:
    """One pass: collected prompts once, authored ones twice, the second time as a hurried person types them."""
    rng = random.Random(settings.seed * 1_000 + epoch)
    examples = [_example(p, p.text, tokenizer, sources, settings) for p in prompts]
    examples += [
        _example(p, careless_copy(p.text, rng), tokenizer, sources, settings) for p in prompts if p.is_authored
    ]
    rng.shuffle(examples)
    # Sorting within a stretch of the shuffled pass puts like lengths together, so little is computed on padding.
    stretch = 40 * settings.batch_size
    batches = []
    for start in range(0, len(examples), stretch):
        by_length = sorted(examples[start : start + stretch], key=lambda e: len(e.ids))
        batches += [by_length[i : i + settings.batch_size] for i in range(0, len(by_length), settings.batch_size)]
    rng.shuffle(batches)
    return batches


def _example(
    prompt: Prompt, text: str, tokenizer: PromptTokenizer, sources: list[str], settings: Settings
) -> Example:
    intent_weight = 0.0
    if prompt.intent is not None:
        intent_weight = 1.0 if prompt.is_authored else settings.collected_intent_weight
    difficulty_weight = 0.0
    if prompt.difficulty is not None:
        difficulty_weight = 1.0 if prompt.is_authored else settings.collected_difficulty_weight
    return Example(
        ids=_ids(tokenizer, text),
        intent=prompt.intent or 0,
        intent_weight=intent_weight,
        difficulty=prompt.difficulty or 0.0,
        difficulty_weight=difficulty_weight,
        base_rate=0 if prompt.intent is not None else sources.index(prompt.group) + 1,
    )


def _ids(tokenizer: PromptTokenizer, text: str) -> list[int]:
    ids: list[int] = tokenizer.encode(text).input_ids[0].tolist()
    return ids


def _optimiser(network: Classifier, base_rates: nn.Embedding, settings: Settings) -> torch.optim.Optimizer:
    encoder = [p for p in network.encoder.parameters() if p.requires_grad]
    in_encoder = {id(p) for p in network.encoder.parameters()}
    heads = [p for p in network.parameters() if id(p) not in in_encoder]
    return torch.optim.AdamW(
        [
            {"params": encoder, "lr": settings.encoder_learning_rate},
            {"params": [*heads, *base_rates.parameters()], "lr": settings.head_learning_rate},
        ],
        weight_decay=0.01,
    )


def _rate(step: int, steps: int, settings: Settings) -> float:
    """Share of the full learning rate: up over the warm-up, then straight down to 0."""
    warmup = max(1, round(settings.warmup_share * steps))
    if step < warmup:
        return (step + 1) / warmup
    return max(0.0, (steps - step) / max(1, steps - warmup))


def _save(checkpoint: Path, parts: dict[str, Any], identity: dict[str, Any], done: int) -> None:
    state = {name: part.state_dict() for name, part in parts.items()}
    state |= {"identity": identity, "done": done, "random": torch.get_rng_state()}
    # Written aside first: a crash while writing must not take the last good checkpoint with it.
    aside = checkpoint.with_suffix(".part")
    torch.save(state, aside)
    aside.replace(checkpoint)


def _resume(checkpoint: Path, parts: dict[str, Any], identity: dict[str, Any]) -> int:
    """Steps already done."""
    if not checkpoint.exists():
        return 0
    state = torch.load(checkpoint, weights_only=True)
    if state["identity"] != identity:
        return 0
    for name, part in parts.items():
        part.load_state_dict(state[name])
    torch.set_rng_state(state["random"])
    done: int = state["done"]
    print(f"going on from step {done} of {checkpoint}")
    return done
