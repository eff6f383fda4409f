"""The command `sidecar train`: a team's labels, the model in use, and out of both a new model with its figures."""

from __future__ import annotations

import datetime
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from sidecar.finetuning.comparison import Comparison, compare
from sidecar.finetuning.export import MAX_TOKENS, write_model_folder
from sidecar.finetuning.fit import Progress, Settings, collate, fit, fit_temperature
from sidecar.finetuning.labels import LabelledPrompts, Split, read_labelled, split
from sidecar.finetuning.network import Classifier, Outputs
from sidecar.finetuning.prompt import Prompt, Teaching
from sidecar.finetuning.similarity import embeddings, fit_similarity
from sidecar.finetuning.weights import ForeignModelError, LoadedModel, load_model
from sidecar.inference.onnx_classifier import OnnxClassifier
from sidecar.inference.tokenizer import PromptTokenizer
from sidecar.offline import metrics
from sidecar.routing.tier_rule import TierRule
from sidecar.streams.lines import InputError

_REPORT = "report.json"

# Gentler than from scratch: the encoder knows prompts already.
_ENCODER_LEARNING_RATE = 1e-4
_BATCH_SIZE = 16
_CHECKPOINTS_PER_EPOCH = 2


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """What the command line says."""

    data: Path
    out: Path
    start: Path
    """The model in use: training starts from it, and the new model is compared with it."""
    epochs: float
    seed: int
    threads: int


@dataclass(frozen=True, slots=True)
class Trained:
    """A finished run."""

    version: str
    labelled: LabelledPrompts
    parts: Split
    comparison: Comparison


def train(options: TrainOptions, rule: TierRule, progress: Progress) -> Trained:
    """Fine-tune, export to `options.out`, and compare. Raises InputError.

    Interrupted and called again with the same options, it goes on where it was.
    """
    # The checkpoint lies where the model will be: on the same disk, and found again by the same command.
    work = options.out / "unfinished"
    if not work.exists() and any(options.out.rglob("*.onnx")):
        raise InputError(f"{options.out}: has a model already; name a new folder, or remove that one")
    try:
        model = load_model(options.start)
    except ForeignModelError as error:
        raise InputError(str(error)) from error
    labelled = read_labelled(options.data, model.intents)
    parts = split(labelled.prompts, options.seed)
    if not (parts.validation and parts.test):
        raise InputError(
            f"{options.data}: group: expected more groups: no group is divided, and none is left to judge by"
        )
    torch.set_num_threads(options.threads)
    tokenizer = PromptTokenizer.load(options.start, MAX_TOKENS)
    taught = _taught(parts.train, model, tokenizer)
    texts = [prompt.text for prompt in parts.train]
    embedded = embeddings(model.network, texts, tokenizer)
    network = _with_intents(model, labelled.intents, options.seed)

    try:
        work.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{options.out}: cannot be written to: {error.strerror}") from error
    settings = _settings(options, len(taught))
    fit(
        network,
        taught,
        tokenizer,
        settings,
        work / "checkpoint.pt",
        progress=progress,
        validate=lambda fitted: _figure(fitted, parts.validation, tokenizer, rule),
    )
    if any(prompt.intent is not None for prompt in parts.validation):
        fit_temperature(network, parts.validation, tokenizer)
    # Examples in a policy keep their meaning with the new model.
    fit_similarity(network, texts, embedded, tokenizer)
    version = write_model_folder(
        network,
        model.shape,
        labelled.intents,
        model.tokenizer,
        options.out,
        float_file=work / "model.onnx",
        date=datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
    )
    comparison = compare(
        OnnxClassifier.load(options.out), OnnxClassifier.load(options.start), parts.test, rule, options.seed
    )
    trained = Trained(version, labelled, parts, comparison)
    (options.out / _REPORT).write_text(json.dumps(describe(trained, options), indent=2) + "\n", encoding="utf-8")
    shutil.rmtree(work)
    return trained


def describe(trained: Trained, options: TrainOptions) -> dict[str, object]:
    """The report as it is kept beside the model."""
    return {
        "version": trained.version,
        "started_from": str(options.start),
        "data": str(options.data),
        "seed": options.seed,
        "prompts": {
            "train": len(trained.parts.train),
            "validation": len(trained.parts.validation),
            "test": len(trained.parts.test),
            "repeated": trained.labelled.repeated,
        },
        "figures": trained.comparison.as_json(),
    }


def _settings(options: TrainOptions, prompts: int) -> Settings:
    steps_per_epoch = max(1, 2 * prompts // _BATCH_SIZE)
    return Settings(
        seed=options.seed,
        epochs=options.epochs,
        batch_size=_BATCH_SIZE,
        encoder_learning_rate=_ENCODER_LEARNING_RATE,
        teacher_share=0.0,
        steps_per_checkpoint=max(1, steps_per_epoch // _CHECKPOINTS_PER_EPOCH),
        patience=2 * _CHECKPOINTS_PER_EPOCH,
    )


def _with_intents(model: LoadedModel, intents: tuple[str, ...], seed: int) -> Classifier:
    """The same network; with another head where the intents are others."""
    if intents != model.intents:
        torch.manual_seed(seed)
        model.network.intent_head = torch.nn.Linear(model.shape.width, len(intents))
        model.network.temperature.fill_(1.0)
    return model.network


def _taught(prompts: Sequence[Prompt], model: LoadedModel, tokenizer: PromptTokenizer) -> list[Prompt]:
    """With what the model says already wherever a label is missing, so that it forgets nothing there."""
    lacking = [i for i, p in enumerate(prompts) if p.intent is None or p.tier is None]
    outputs = _outputs(model.network, [prompts[i] for i in lacking], tokenizer)
    taught = list(prompts)
    for i, (intents, above) in zip(lacking, outputs, strict=True):
        is_without_intent = prompts[i].intent is None
        taught[i] = replace(
            prompts[i],
            teaching=Teaching(
                # A prompt without an intent comes only with the model's own intents; for others this is not read.
                intents if is_without_intent else np.zeros(1, dtype=np.float32),
                above,
            ),
        )
    return taught


def _outputs(
    network: Classifier, prompts: Sequence[Prompt], tokenizer: PromptTokenizer
) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """For each prompt the intents' probabilities, and those of needing more than each of the lower tiers."""
    network.eval()
    with torch.inference_mode():
        each = [_run(network, prompt, tokenizer) for prompt in prompts]
    return [(o.intent_logits.softmax(dim=1)[0].numpy(), o.tier_logits.sigmoid()[0].numpy()) for o in each]


def _run(network: Classifier, prompt: Prompt, tokenizer: PromptTokenizer) -> Outputs:
    tokens = tokenizer.encode(prompt.text)
    outputs: Outputs = network(*collate([tokens.input_ids[0]], [tokens.characters]))
    return outputs


def _figure(network: Classifier, prompts: Sequence[Prompt], tokenizer: PromptTokenizer, rule: TierRule) -> float:
    """What a run is stopped by: macro-F1, share of right tiers, or the mean of both, whichever is labelled."""
    with torch.inference_mode():
        outputs = [_run(network, prompt, tokenizer) for prompt in prompts]
    figures = []
    found = [int(output.intent_logits.argmax()) for output in outputs]
    intents = [(p.intent, intent) for p, intent in zip(prompts, found, strict=True) if p.intent is not None]
    if intents:
        figures.append(metrics.macro_f1(*zip(*intents, strict=True)))
    served = [rule.difficulty.tier_of(float(output.difficulty_logit.sigmoid())) for output in outputs]
    is_right_tier = [tier == p.tier for p, tier in zip(prompts, served, strict=True) if p.tier is not None]
    if is_right_tier:
        figures.append(float(np.mean(is_right_tier)))
    return float(np.mean(figures))
