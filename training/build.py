"""Build the shipped model: load prompts, fine-tune, calibrate, export.

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
from pathlib import Path

import torch

from sidecar.finetuning.export import write_model_folder
from sidecar.finetuning.fit import Settings, fit, fit_temperature
from training.base_model import extended_base
from training.data import training_prompts, validation_prompts
from training.labels import INTENTS


def main() -> None:
    arguments = _parser().parse_args()
    settings = Settings(seed=arguments.seed, epochs=arguments.epochs)
    torch.set_num_threads(arguments.threads)
    arguments.work.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()

    prompts = training_prompts(arguments.data, settings.seed)
    base = extended_base([p.text for p in prompts])
    network = base.new_classifier(len(INTENTS), settings.seed)
    print(f"{len(prompts)} prompts, {sum(p.is_authored for p in prompts)} of them authored; {settings}", flush=True)

    checkpoint = arguments.work / "checkpoint.pt"
    fit(network, prompts, base.prompt_tokenizer(), settings, checkpoint, progress=print_progress)
    temperature = fit_temperature(network, validation_prompts(), base.prompt_tokenizer())
    today = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
    version = write_model_folder(
        network,
        base.shape,
        INTENTS,
        base.tokenizer,
        arguments.out,
        float_file=arguments.work / "model.onnx",
        date=today,
    )
    # A model folder too, to compare the int8 graph with.
    for name in ("tokenizer.json", "config.json"):
        shutil.copyfile(arguments.out / name, arguments.work / name)
    # Only an interrupted run is to be gone on from; the next one may have other prompts.
    checkpoint.unlink()
    minutes = (time.monotonic() - started) / 60
    print(f"{arguments.out}: version {version}, temperature {temperature:.2f}, {minutes:.0f} min")


def print_progress(done: int, steps: int, loss: float, seconds_left: float) -> None:
    """A line now and then."""
    if done % 100 == 0 or done == steps:
        print(f"step {done}/{steps}  loss {loss:.3f}  {seconds_left / 60:.0f} min left", flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with intent/ and difficulty/; without it, authored only")
    parser.add_argument("--out", type=Path, required=True, help="model folder to write")
    parser.add_argument("--work", type=Path, default=Path("build/model"), help="checkpoint and float model go here")
    parser.add_argument("--seed", type=int, default=Settings().seed)
    parser.add_argument("--epochs", type=float, default=Settings().epochs)
    parser.add_argument("--threads", type=int, default=2)
    return parser


if __name__ == "__main__":
    main()
