"""Build the shipped model: load prompts, fine-tune, calibrate, export.

    python -m training.build --data DIR --out sidecar/inference/model

DIR holds `intent/` and `difficulty/`; the authored prompts come from `training/prompts`. Run again after an
interruption, it goes on from the last checkpoint in the work folder. What a seed promises: the same model on the
same machine, with the same thread count and library versions.
"""

from __future__ import annotations

import argparse
import datetime
import time
from pathlib import Path

import torch

from sidecar.inference.tokenizer import PromptTokenizer
from training.base_model import base_folder
from training.data import training_prompts, validation_prompts
from training.export import MAX_TOKENS, write_model_folder
from training.fit import Settings, fit, fit_temperature


def main() -> None:
    arguments = _parser().parse_args()
    settings = Settings(seed=arguments.seed, epochs=arguments.epochs)
    torch.set_num_threads(arguments.threads)
    arguments.work.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()

    prompts = training_prompts(arguments.data, settings.seed)
    tokenizer = PromptTokenizer.load(base_folder(), MAX_TOKENS)
    print(
        f"{len(prompts)} prompts, {sum(p.is_authored for p in prompts)} of them authored; {settings}",
        flush=True,
    )

    checkpoint = arguments.work / "checkpoint.pt"
    network = fit(prompts, tokenizer, settings, checkpoint)
    temperature = fit_temperature(network, validation_prompts(), tokenizer)
    today = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
    version = write_model_folder(network, arguments.out, arguments.work / "model-fp32.onnx", today)
    # Only an interrupted run is to be gone on from; the next one may have other prompts.
    checkpoint.unlink()
    minutes = (time.monotonic() - started) / 60
    print(f"{arguments.out}: version {version}, temperature {temperature:.2f}, {minutes:.0f} min")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with intent/ and difficulty/; without it, authored only")
    parser.add_argument("--out", type=Path, required=True, help="model folder to write")
    parser.add_argument("--work", type=Path, default=Path("build/model"), help="checkpoint and fp32 graph go here")
    parser.add_argument("--seed", type=int, default=Settings().seed)
    parser.add_argument("--epochs", type=float, default=Settings().epochs)
    parser.add_argument("--threads", type=int, default=2)
    return parser


if __name__ == "__main__":
    main()
