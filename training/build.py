"""Build the shipped model: load prompts, fit teachers, let them teach a third, calibrate, export.

    python -m training.build --data DIR --out sidecar/inference/model

DIR holds `intent/` and `difficulty/`; the authored prompts come from `training/prompts`. Run again after an
interruption, it goes on from the last checkpoint in the work folder. What a seed promises: the same model on the
same machine, with the same thread count and library versions.
"""

from __future__ import annotations

import argparse
import datetime
import shutil
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from sidecar.finetuning.export import write_model_folder
from sidecar.finetuning.fit import Settings, fit, fit_temperature
from sidecar.finetuning.network import Classifier
from sidecar.finetuning.similarity import fit_similarity
from sidecar.finetuning.weights import load_model
from training.base_model import Base, extended_base, sentence_embeddings
from training.data import Prompt, training_prompts, validation_prompts
from training.labels import INTENTS
from training.teaching import Teacher, taught

# One teacher knows collected prompts by their sources' labels, the other only authored ones: they err differently.
_TEACHERS = ("collected", "authored")


def main() -> None:
    arguments = _parser().parse_args()
    settings = Settings(seed=arguments.seed, epochs=arguments.epochs)
    torch.set_num_threads(arguments.threads)
    started = time.monotonic()
    folders = arguments.teachers or [
        _teacher_folder(arguments.work / name, arguments.data if name == "collected" else None, settings)
        for name in _TEACHERS
    ]
    prompts = training_prompts(arguments.data, settings.seed)
    print(f"{len(prompts)} prompts, {sum(p.is_authored for p in prompts)} of them authored; {settings}", flush=True)
    # What a source calls its prompts is not what our guide calls each of them: the teachers have the say there.
    prompts = taught([p if p.is_authored else replace(p, intent=None) for p in prompts], _teachers(folders))
    version, temperature = _build(prompts, extended_base(prompts), settings, arguments.work, arguments.out)
    minutes = (time.monotonic() - started) / 60
    print(f"{arguments.out}: version {version}, temperature {temperature:.2f}, {minutes:.0f} min")


def _teacher_folder(work: Path, data_folder: Path | None, settings: Settings) -> Path:
    """Fitted there, unless it was before."""
    folder = work / "model"
    if not (folder / "config.json").exists():
        prompts = training_prompts(data_folder, settings.seed)
        _build(prompts, extended_base(prompts), settings, work, folder)
    return folder


def _teachers(folders: Sequence[Path]) -> list[Teacher]:
    return [Teacher(model.network.eval(), model.prompt_tokenizer()) for model in map(load_model, folders)]


def _build(prompts: Sequence[Prompt], base: Base, settings: Settings, work: Path, out: Path) -> tuple[str, float]:
    """Fit and export; the model's version and temperature."""
    work.mkdir(parents=True, exist_ok=True)
    network: Classifier = base.new_classifier(len(INTENTS), settings.seed)
    checkpoint = work / "checkpoint.pt"
    fit(network, prompts, base.prompt_tokenizer(), settings, checkpoint, progress=print_progress)
    temperature = fit_temperature(network, validation_prompts(), base.prompt_tokenizer())
    texts = [p.text for p in prompts if p.is_authored]
    fit_similarity(network, texts, sentence_embeddings(texts), base.prompt_tokenizer())
    version = write_model_folder(
        network,
        base.shape,
        INTENTS,
        base.tokenizer,
        out,
        float_file=work / "model.onnx",
        date=datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
    )
    # A model folder too, to compare the int8 graph with.
    for name in ("tokenizer.json", "config.json"):
        shutil.copyfile(out / name, work / name)
    # Only an interrupted run is to be gone on from; the next one may have other prompts.
    checkpoint.unlink()
    return version, temperature


def print_progress(done: int, steps: int, loss: float, seconds_left: float) -> None:
    """A line now and then."""
    if done % 100 == 0 or done == steps:
        print(f"step {done}/{steps}  loss {loss:.3f}  {seconds_left / 60:.0f} min left", flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with intent/ and difficulty/; without it, authored only")
    parser.add_argument("--out", type=Path, required=True, help="model folder to write")
    parser.add_argument(
        "--teachers", type=Path, nargs="+", metavar="DIR", help="model folders; without them, two are fitted first"
    )
    parser.add_argument("--work", type=Path, default=Path("build/model"), help="checkpoint and float model go here")
    parser.add_argument("--seed", type=int, default=Settings().seed)
    parser.add_argument("--epochs", type=float, default=Settings().epochs)
    parser.add_argument("--threads", type=int, default=2)
    return parser


if __name__ == "__main__":
    main()
