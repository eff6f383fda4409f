"""What fitted networks say of prompts, and how that becomes a target for another network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from sidecar.finetuning.fit import collate
from sidecar.finetuning.network import Classifier
from sidecar.finetuning.prompt import Teaching
from sidecar.inference.tokenizer import PromptTokenizer
from training.data import Prompt


@dataclass(frozen=True, slots=True)
class Teacher:
    """A fitted network with the tokenizer it was fitted with."""

    network: Classifier
    tokenizer: PromptTokenizer


def taught(prompts: Sequence[Prompt], teachers: Sequence[Teacher]) -> list[Prompt]:
    """The prompts with the mean of what the teachers say of them."""
    answers = [readings(teacher, prompts) for teacher in teachers]
    intents = np.mean([intents for intents, _, _ in answers], axis=0)
    above = np.mean([above for _, _, above in answers], axis=0)
    return [
        replace(p, teaching=Teaching(intents[i].astype(np.float32), above[i].astype(np.float32)))
        for i, p in enumerate(prompts)
    ]


def readings(teacher: Teacher, prompts: Sequence[Prompt]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Probabilities (n, intents), difficulties (n), and probabilities of needing more than each tier (n, 3)."""
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i].text))
    intents, difficulties, above = [], [], []
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        for start in range(0, len(order), 32):
            tokens = [teacher.tokenizer.encode(prompts[i].text) for i in order[start : start + 32]]
            outputs = teacher.network(*collate([t.input_ids[0] for t in tokens], [t.characters for t in tokens]))
            intents.append(outputs.intent_logits.float().softmax(dim=1).numpy())
            difficulties.append(outputs.difficulty_logit.float().sigmoid().numpy())
            above.append(outputs.tier_logits.float().sigmoid().numpy())
    back = np.argsort(order)
    return np.concatenate(intents)[back], np.concatenate(difficulties)[back], np.concatenate(above)[back]
