"""`sidecar classify` as a user runs it: in pipes, on a terminal, with lines that are wrong, and stopped half-way."""

import json
import os
import pty
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from sidecar.config.compile import DEFAULT_DIFFICULTY, DEFAULT_INTENT_TIERS, DEFAULT_MIN_CONFIDENCE
from sidecar.inference.onnx_classifier import SHIPPED_MODEL, OnnxClassifier
from sidecar.routing.tier import Tier
from tests.fakes.model_folders import make_model_folder
from tests.fakes.serving import EXAMPLES, PATIENCE_SECONDS, sidecar_command

GREETING = '{"text": "hi there, thanks a lot!"}\n'
PROOF = '{"text": "Prove that there are infinitely many primes.", "id": 7}\n'


def run(*arguments: object, lines: str) -> subprocess.CompletedProcess[str]:
    """The command, to its end."""
    return subprocess.run(
        sidecar_command("classify", *arguments),
        input=lines,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )


def written(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    """Its lines."""
    return [json.loads(line) for line in done.stdout.splitlines()]


@contextmanager
def running(stdin: int, **streams: Any) -> Iterator[subprocess.Popen[bytes]]:
    """The command, while a block lasts."""
    command = sidecar_command("classify")
    with subprocess.Popen(command, stdin=stdin, stdout=subprocess.PIPE, **streams) as process:
        try:
            yield process
        finally:
            process.kill()


def test_each_line_is_answered_in_order_with_what_the_model_and_the_rule_say() -> None:
    texts = ["hi there, thanks a lot!", "", "word " * 5_000, *(f"What is {n} + {n}?" for n in range(40))]
    classifier = OnnxClassifier.load(SHIPPED_MODEL)

    done = run("--threads", 3, lines="\n\n".join(json.dumps({"text": text}) for text in texts))

    assert (done.returncode, done.stderr) == (0, "")
    answers = written(done)
    assert len(answers) == len(texts)
    for text, answer in zip(texts, answers, strict=True):
        assert list(answer) == ["intent", "confidence", "intents", "difficulty", "tier", "truncated"]
        expected = classifier.classify(text)
        assert answer["intent"] == expected.intent
        assert answer["confidence"] == expected.confidence
        assert answer["difficulty"] == expected.difficulty
        assert answer["truncated"] == expected.truncated == (len(text) > 1_000)
        assert answer["intents"][answer["intent"]] == answer["confidence"] == max(answer["intents"].values())
        assert list(answer["intents"].values()) == sorted(answer["intents"].values(), reverse=True)
        assert len(answer["intents"]) == 3 and set(answer["intents"]) < set(DEFAULT_INTENT_TIERS)
        tier = DEFAULT_DIFFICULTY.tier_of(answer["difficulty"])
        assert answer["tier"] == (tier.above if answer["confidence"] < DEFAULT_MIN_CONFIDENCE else tier).label


def test_the_policy_s_rule_decides(tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text(
        (EXAMPLES / "minimal.yaml").read_text()
        + "intents: {chat: complex}\ndifficulty: {moderate: 0, complex: 1, reasoning: 1}\nmin_confidence: 0\n"
    )

    done = run("--policy", policy, lines=GREETING + PROOF)

    assert [(answer["intent"], answer["tier"]) for answer in written(done)] == [
        ("chat", "complex"),
        ("math", "moderate"),
    ]


def test_a_model_of_one_s_own_tells_what_it_can(tmp_path: Path) -> None:
    model = make_model_folder(tmp_path / "model", labels=("chat", "math"))
    policy = tmp_path / "policy.yaml"
    policy.write_text((EXAMPLES / "minimal.yaml").read_text() + "classifier: {model: missing}\n")

    (answer,) = written(run("--policy", policy, "--model", model, lines='{"text": "outage"}'))

    assert (answer["intent"], answer["difficulty"], answer["tier"]) == ("math", None, Tier.REASONING.label)
    assert list(answer["intents"]) == ["math", "chat"]


def test_a_wrong_line_is_named_after_the_answers_before_it() -> None:
    done = run(lines=GREETING + "\n" + PROOF + '{"text": 3}\n' + GREETING)

    assert [answer["intent"] for answer in written(done)] == ["chat", "math"]
    assert done.stderr == "sidecar: line 4: text: expected a string (Expected `str`, got `int`)\n"
    assert done.returncode == 2


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--model", "missing"], "sidecar: missing: no such folder"),
        (["--policy", "missing.yaml"], "sidecar: missing.yaml: No such file or directory"),
        (["--threads", "0"], "sidecar classify: error: argument --threads: expected a whole number from 1, got '0'"),
    ],
)
def test_what_cannot_be_used_is_a_2_and_one_line(arguments: list[str], told: str) -> None:
    done = run(*arguments, lines=GREETING)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1] == told


def test_labels_without_a_tier_are_named(tmp_path: Path) -> None:
    done = run("--model", make_model_folder(tmp_path), lines=GREETING)

    assert done.returncode == 2
    assert "no policy gives a tier to billing, operations: give one with --policy" in done.stderr


def test_a_model_that_breaks_is_a_1_and_one_line(tmp_path: Path) -> None:
    done = run("--model", make_model_folder(tmp_path, labels=("chat", "math")), lines='{"text": "nonsense"}')

    assert (done.returncode, done.stdout) == (1, "")
    (told,) = done.stderr.splitlines()
    assert told.startswith("sidecar: the model gave ") and told.endswith(" no numbers")


def test_a_line_is_answered_while_the_next_is_awaited_and_ctrl_c_ends_it_without_a_word() -> None:
    with running(subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin and process.stdout and process.stderr
        for line, intent in ((GREETING, "chat"), (PROOF, "math")):
            process.stdin.write(line.encode())
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["intent"] == intent

        process.send_signal(signal.SIGINT)

        assert process.wait(PATIENCE_SECONDS) == -signal.SIGINT
        assert process.stdout.read() == process.stderr.read() == b""


def test_lines_without_end_are_answered_as_long_as_somebody_reads() -> None:
    reader, writer = os.pipe()
    with (
        subprocess.Popen(["yes", GREETING.strip()], stdout=writer),
        running(reader, stderr=subprocess.PIPE) as process,
    ):
        os.close(writer)
        os.close(reader)  # or `yes` would never learn that nobody reads
        assert process.stdout and process.stderr
        assert [json.loads(process.stdout.readline())["intent"] for _ in range(3)] == ["chat"] * 3

        process.stdout.close()

        assert process.wait(PATIENCE_SECONDS) == -signal.SIGPIPE
        assert process.stderr.read() == b""


def test_lines_can_be_typed_on_a_terminal() -> None:
    keyboard, terminal = pty.openpty()
    with running(terminal) as process:
        assert process.stdout
        os.write(keyboard, GREETING.encode())
        assert json.loads(process.stdout.readline())["intent"] == "chat"

        os.write(keyboard, b"\x04")  # Ctrl-D

        assert process.wait(PATIENCE_SECONDS) == 0
    os.close(terminal)
    os.close(keyboard)


def test_progress_is_shown_on_a_terminal() -> None:
    screen, terminal = pty.openpty()
    with running(subprocess.PIPE, stderr=terminal) as process:
        output, _ = process.communicate((GREETING * 30).encode(), timeout=PATIENCE_SECONDS)
    os.close(terminal)
    shown = os.read(screen, 100_000).decode()
    os.close(screen)

    assert output.count(b"\n") == 30
    last = shown.rstrip().rpartition("\r")[2]
    assert last.startswith("30 prompts, ") and last.endswith(" per second")
    assert shown.endswith("\r\n")
