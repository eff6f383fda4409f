"""`sidecar train` as a team runs it: on its own intents or known ones, interrupted, and with input that is wrong."""

import json
import os
import pty
import random
import signal
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sidecar.cli import main
from sidecar.cli.exit_codes import EXIT_INTERRUPTED
from sidecar.finetuning.fit import fit
from sidecar.inference.onnx_classifier import OnnxClassifier
from sidecar.inference.tokenizer import PromptTokenizer
from sidecar.offline.answers import Answers, answer
from tests.fakes.model_folders import make_model_folder
from tests.fakes.serving import EXAMPLES, sidecar_command
from tests.finetuning.with_torch.small import FILLERS, HARD, INTENTS, TOPICS, small_network, write_small_folder
from tests.finetuning.with_torch.test_fit import QUICK, labelled, say_nothing

# Torch takes seconds to load on a machine that has other things to do.
PATIENCE_SECONDS = 120

PROMPTS = 600

OWN_INTENTS = ("money", "uptime", "parcels")

Row = dict[str, Any]


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory, tokenizer: PromptTokenizer) -> Path:
    """A model whose encoder tells the topics apart, and whose heads make nothing of it yet."""
    folder = tmp_path_factory.mktemp("start")
    network = small_network()
    fit(
        network,
        labelled(),
        tokenizer,
        replace(QUICK, epochs=15.0),
        folder / "checkpoint.pt",
        progress=say_nothing,
    )
    fresh = small_network(seed=3)
    for name, head in network.named_children():
        if name.startswith(("intent", "difficulty")):
            head.load_state_dict(getattr(fresh, name).state_dict())
    with torch.no_grad():
        network.cuts.copy_(fresh.cuts)
    write_small_folder(folder / "model", network)
    return folder / "model"


def rows(intents: Iterable[str] | None = None, *, tiers: bool) -> list[Row]:
    """Different prompts about each topic, half of them hard."""
    rng = random.Random(0)
    written: dict[str, Row] = {}
    names = list(intents or [])
    while len(written) < PROMPTS:
        topic, is_hard = rng.randrange(len(TOPICS)), rng.random() < 0.5
        words = [TOPICS[topic], *rng.sample(FILLERS, 4), *(HARD if is_hard else ())]
        text = " ".join(rng.sample(words, len(words)))
        written[text] = {"text": text}
        if names:
            written[text]["intent"] = names[topic]
        if tiers:
            written[text]["tier"] = "reasoning" if is_hard else "simple"
    return list(written.values())


def write(file: Path, lines: Iterable[Row]) -> Path:
    """As JSON Lines."""
    file.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return file


def command(data: Path, out: Path, *more: object) -> list[str]:
    """The command line of a run that takes seconds."""
    return sidecar_command("train", "--data", data, "--out", out, "--threads", 1, "--epochs", 8, *more)


@dataclass(frozen=True)
class Run:
    """One that came to its end."""

    out: Path
    printed: str
    shown: str
    """While it ran."""

    @property
    def classifier(self) -> OnnxClassifier:
        """As serving loads it."""
        return OnnxClassifier.load(self.out)

    @property
    def report(self) -> Mapping[str, Any]:
        """As it is kept."""
        read: Mapping[str, Any] = json.loads((self.out / "report.json").read_text())
        return read

    @property
    def table(self) -> dict[str, list[str]]:
        """New and in use, by figure."""
        lines = self.printed.split("\n\n")[1].splitlines()
        assert lines[0].split() == ["new", "in", "use"]
        return {line[:20].strip(): line[20:].split() for line in lines[1:]}

    @property
    def verdict(self) -> str:
        """The line below the table."""
        return self.printed.split("\n\n")[2].splitlines()[0]


def run(data: Path, out: Path, *more: object) -> Run:
    """The command, to its end."""
    done = subprocess.run(
        command(data, out, *more), timeout=PATIENCE_SECONDS, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return Run(out, done.stdout, done.stderr)


@pytest.fixture(scope="module")
def known_labels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Intents that the model knows, and tiers."""
    return write(tmp_path_factory.mktemp("labels") / "known.jsonl", rows(INTENTS, tiers=True))


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory, start: Path, known_labels: Path) -> Run:
    """A run on those, without an interruption."""
    return run(known_labels, tmp_path_factory.mktemp("known") / "model", "--model", start)


def answers_of(folder: Path, topics: Iterable[str] = TOPICS) -> Answers:
    """To prompts about these topics that are not among the labels."""
    texts = [f"{topic} {filler} {' '.join(hard)}" for topic in topics for filler in FILLERS for hard in ((), HARD)]
    return answer(OnnxClassifier.load(folder), texts)


def test_known_intents_and_tiers_are_learnt(known: Run) -> None:
    assert known.verdict.startswith("The new model is better: macro-F1 +0.")
    assert list(known.table) == ["macro-F1", "accuracy", "calibration error", "right tier", "tier too low"]
    for figure in ("macro-F1", "accuracy", "right tier"):
        new, in_use = map(float, known.table[figure])
        assert new > 0.75 and new > in_use + 0.15
    assert known.classifier.intents == INTENTS


def test_the_model_folder_can_be_served_and_nothing_unfinished_is_left(known: Run) -> None:
    names = {file.name for file in known.out.iterdir()}
    assert names == {"model.onnx", "tokenizer.json", "config.json", "report.json"}
    version = known.classifier.version
    assert known.printed.startswith(f"{known.out}: version {version}\n")
    assert known.printed.endswith(f"classifier: {{model: {known.out.resolve()}}}\n")


def test_the_report_says_what_was_printed_and_what_went_in(known: Run, start: Path, known_labels: Path) -> None:
    report = known.report

    assert report["version"] == known.classifier.version
    assert (report["started_from"], report["data"], report["seed"]) == (str(start), str(known_labels), 17)
    *parts, repeated = report["prompts"].values()
    assert parts == pytest.approx([PROMPTS * 5 / 7, PROMPTS / 7, PROMPTS / 7], abs=3)
    assert (sum(parts), repeated) == (PROMPTS, 0)
    assert "{} prompts to learn from, {} to stop by, {} to judge by\n".format(*parts) in known.printed
    figures = report["figures"]
    assert (figures["verdict"], figures["measure"]) == ("better", "macro-F1")
    printed = [f"{figures[model]['accuracy']:.3f}" for model in ("new", "in_use")]
    assert known.table["accuracy"] == printed


def test_for_programs_the_report_is_printed(tmp_path: Path, start: Path, known_labels: Path) -> None:
    done = run(known_labels, tmp_path / "model", "--model", start, "--epochs", 0.2, "--json")

    assert json.loads(done.printed) == {"model": str(done.out.resolve()), **done.report}
    assert done.shown.startswith("step ")


def test_intents_of_one_s_own_are_learnt_and_the_difficulty_is_not_forgotten(tmp_path: Path, start: Path) -> None:
    data = rows(OWN_INTENTS, tiers=False)
    own = run(write(tmp_path / "own.jsonl", [*data, data[0]]), tmp_path / "model", "--model", start)

    assert own.verdict == "The model in use has other intents, so the two cannot be compared."
    assert "; 1 repeated left out\n" in own.printed
    assert own.classifier.intents == tuple(sorted(OWN_INTENTS))
    assert list(own.table) == ["macro-F1", "accuracy", "calibration error"]
    new, in_use = own.table["macro-F1"]
    assert float(new) > 0.6 and in_use == "-"
    assert own.report["figures"]["verdict"] == "not comparable"
    before, after = answers_of(start), answers_of(own.out)
    assert np.abs(before.difficulties - after.difficulties).mean() < 0.1


def test_tiers_alone_are_learnt_by_a_policy_s_rule_and_the_intents_are_not_forgotten(
    tmp_path: Path, start: Path
) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text(
        (EXAMPLES / "minimal.yaml").read_text() + f"classifier: {{model: {start}}}\nmin_confidence: 0\n"
    )
    labels = write(tmp_path / "tiers.jsonl", rows(tiers=True))
    tiers = run(labels, tmp_path / "model", "--policy", policy)

    assert tiers.verdict.startswith("The new model is better: right tier +0.")
    assert list(tiers.table) == ["right tier", "tier too low"]
    assert tiers.classifier.intents == INTENTS
    assert tiers.report["started_from"] == str(start)
    before, after = answers_of(start), answers_of(tiers.out)
    assert (before.intents == after.intents).mean() > 0.8


def read_until(screen: int, wanted: bytes) -> bytes:
    """What a terminal shows up to there, or to the end."""
    shown = b""
    while wanted not in shown:
        try:
            shown += os.read(screen, 65_536)
        except OSError:  # how Linux says that nobody writes to a terminal any more
            break
    return shown


def test_a_run_that_is_interrupted_goes_on_to_the_same_model(
    tmp_path: Path, start: Path, known: Run, known_labels: Path
) -> None:
    out = tmp_path / "model"
    screen, stderr = pty.openpty()
    with subprocess.Popen(command(known_labels, out, "--model", start), stderr=stderr) as process:
        os.close(stderr)
        # The first checkpoint comes after half an epoch, which is 26 steps.
        shown = read_until(screen, b"\rstep 40 of ")
        process.send_signal(signal.SIGINT)
        shown += read_until(screen, b"\rno such line")
    os.close(screen)

    assert process.returncode == EXIT_INTERRUPTED
    assert b"the same command goes on from the last checkpoint" in shown and b"Traceback" not in shown
    assert {file.name for file in out.iterdir()} == {"unfinished"}

    # It might as well have been stopped while the finished model was judged.
    (out / "model.onnx").write_bytes(b"from the first try")
    again = run(known_labels, out, "--model", start)

    assert not again.shown.startswith("step 20 of ")
    assert (out / "model.onnx").read_bytes() == (known.out / "model.onnx").read_bytes()
    assert (again.table, again.verdict) == (known.table, known.verdict)
    assert {file.name for file in out.iterdir()} == {file.name for file in known.out.iterdir()}


def refusal(capfd: pytest.CaptureFixture[str], *arguments: object) -> str:
    """The one line that is said when it cannot begin."""
    # In this process, whose number of threads the tests that follow get.
    assert main(["train", "--threads", "1", *map(str, arguments)]) == 2
    said = capfd.readouterr()
    assert said.out == "" and said.err.count("\n") == 1
    return said.err.removeprefix("sidecar: ").rstrip()


@pytest.mark.parametrize("graph", ["model.onnx", "model_quantized.onnx", "onnx/model.onnx"])
def test_a_folder_that_has_a_model_is_left_alone(
    tmp_path: Path, start: Path, known_labels: Path, capfd: pytest.CaptureFixture[str], graph: str
) -> None:
    (tmp_path / graph).parent.mkdir(exist_ok=True)
    (tmp_path / graph).write_bytes(b"precious")

    said = refusal(capfd, "--data", known_labels, "--out", tmp_path, "--model", start)

    assert said == f"{tmp_path}: has a model already; name a new folder, or remove that one"
    assert [file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()] == [b"precious"]


def test_labels_that_cannot_be_used_leave_no_folder(
    tmp_path: Path, start: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    data = write(tmp_path / "labels.jsonl", [*rows(INTENTS, tiers=False), {"text": "?", "tier": "hard"}])

    said = refusal(capfd, "--data", data, "--out", tmp_path / "model", "--model", start)

    expected = "tier: expected one of simple, moderate, complex, reasoning, got 'hard'"
    assert said == f"{data}:{PROMPTS + 1}: {expected}"
    assert not (tmp_path / "model").exists()


def test_groups_that_leave_nothing_to_judge_by_are_refused(
    tmp_path: Path, start: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    labels = [row | {"group": row["intent"]} for row in rows(INTENTS, tiers=False)]
    data = write(tmp_path / "labels.jsonl", labels)

    said = refusal(capfd, "--data", data, "--out", tmp_path / "model", "--model", start)

    assert said == f"{data}: group: expected more groups: no group is divided, and none is left to judge by"


def test_a_model_of_another_tool_can_be_served_but_not_trained_on(
    tmp_path: Path, known_labels: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    foreign = make_model_folder(tmp_path / "foreign", difficulty=0.0)

    said = refusal(capfd, "--data", known_labels, "--out", tmp_path / "model", "--model", foreign)

    assert said == f"{foreign}: cannot be trained on: its config.json has no 'vocab_size'"


def test_a_place_that_cannot_be_written_to_is_told(
    tmp_path: Path, start: Path, known_labels: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    diary = tmp_path / "diary"
    diary.write_text("dear diary")

    said = refusal(capfd, "--data", known_labels, "--out", diary, "--model", start)

    assert said == f"{diary}: cannot be written to: Not a directory"
    assert diary.read_text() == "dear diary"
