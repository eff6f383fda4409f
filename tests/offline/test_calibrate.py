"""Thresholds from logs: what is printed holds, for the policy that takes it over."""

import json
import math
import re
import subprocess
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.offline.calibrate import (
    FEWEST_LINES,
    Calibration,
    Entry,
    Target,
    calibrate,
    move_threshold,
    shortest_between,
)
from sidecar.offline.report import policy_line, render
from sidecar.routing.tier import Tier
from sidecar.routing.tier_rule import DifficultyThresholds
from sidecar.streams.lines import InputError
from tests.fakes.properties import examples
from tests.fakes.serving import EXAMPLES, PATIENCE_SECONDS, sidecar_command

PROMPTS = Path(__file__).parents[2] / "training" / "prompts"

BEFORE = DifficultyThresholds(moderate=0.2, complex=0.5, reasoning=0.8)

# The difficulties 0.005, 0.015, … 0.995: the strong model is needed from 0.505 on, and worse below 0.255.
EVEN: list[Entry] = [
    (0.005 + place / 100, 0.0 if place >= 50 else 1.0, 0.0 if place < 25 else 1.0) for place in range(100)
]


def threshold(calibration: Calibration) -> float:
    """Of the tier that was asked for."""
    return float(asdict(calibration.after)[calibration.target.tier.label])


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (Target(Tier.COMPLEX, 0.3), 0.7),
        (Target(Tier.COMPLEX, 0.0), 1),
        (Target(Tier.COMPLEX, 1.0), 0),
        (Target(Tier.COMPLEX, 0.304), 0.7),
        (Target(Tier.COMPLEX, quality=0.7), 0.8),
        (Target(Tier.COMPLEX, quality=1.0), 0.5),
        (Target(Tier.COMPLEX, quality=0.1), 1),
    ],
)
def test_the_threshold_is_the_one_that_was_meant(target: Target, expected: float) -> None:
    assert threshold(calibrate(EVEN, BEFORE, target)) == expected


def test_a_quality_beyond_the_strong_model_s_is_reached_where_it_can_be() -> None:
    assert np.mean([strong for _, _, strong in EVEN]) == 0.75
    assert threshold(calibrate(EVEN, BEFORE, Target(Tier.COMPLEX, quality=0.9))) == 0.6


def test_what_cannot_be_reached_is_told_with_what_can() -> None:
    halves = [(difficulty, weak / 2, strong / 2) for difficulty, weak, strong in EVEN]

    with pytest.raises(InputError) as raised:
        calibrate(halves, BEFORE, Target(Tier.COMPLEX, quality=0.6))

    assert str(raised.value) == (
        "a quality of 0.6 cannot be reached on this log: always weak has 0.250, always strong 0.375, and the best "
        "threshold, 0.5 with 50.0% strong calls, 0.500"
    )


@pytest.mark.parametrize("count", [0, 1, FEWEST_LINES - 1])
def test_too_few_prompts_are_refused(count: int) -> None:
    with pytest.raises(InputError, match=f"^{count} prompts are too few to calibrate on: expected {FEWEST_LINES} "):
        calibrate(EVEN[:count], BEFORE, Target(Tier.COMPLEX, 0.3))


def test_what_goes_up_anyway_counts_towards_the_share() -> None:
    lifted = [(math.inf, 0.0, 1.0)] * 25 + EVEN[:75]

    assert threshold(calibrate(lifted, BEFORE, Target(Tier.COMPLEX, 0.3))) == 0.7
    assert threshold(calibrate(lifted, BEFORE, Target(Tier.COMPLEX, 0.1))) == 1


@pytest.mark.parametrize(
    ("tier", "value", "line"),
    [
        (Tier.COMPLEX, 0.43, "difficulty: {moderate: 0.2, complex: 0.43, reasoning: 0.8}"),
        (Tier.COMPLEX, 0.1, "difficulty: {moderate: 0.1, complex: 0.1, reasoning: 0.8}"),
        (Tier.MODERATE, 0.9, "difficulty: {moderate: 0.9, complex: 0.9, reasoning: 0.9}"),
        (Tier.REASONING, 0.00001, "difficulty: {moderate: 0.00001, complex: 0.00001, reasoning: 0.00001}"),
        (Tier.REASONING, 1.0, "difficulty: {moderate: 0.2, complex: 0.5, reasoning: 1}"),
    ],
)
def test_thresholds_in_the_way_move_along(tier: Tier, value: float, line: str) -> None:

    assert policy_line(move_threshold(BEFORE, tier, value)) == line


@examples(100)
@given(st.floats(-1, 1), st.floats(0, 1))
def test_a_short_number_lies_where_it_must(one: float, other: float) -> None:
    low, high = min(one, other), max(one, other)
    if low < high:
        assert low < shortest_between(low, high) <= high


@examples(30)
@given(st.integers(0, 10**6), st.floats(0, 1), st.integers(1, 6), st.floats(0, 0.5))
def test_no_threshold_comes_closer_to_the_share(seed: int, share: float, decimals: int, lifted: float) -> None:
    """Few decimals: many difficulties are equal, as in a log with the same prompt over and over."""
    rng = np.random.default_rng(seed)
    difficulties = np.where(rng.random(150) < lifted, np.inf, np.round(rng.random(150), decimals))

    calibration = calibrate([(d, 0.0, 0.0) for d in difficulties], BEFORE, Target(Tier.COMPLEX, share))

    reached = float(np.mean(difficulties >= threshold(calibration)))
    assert reached == pytest.approx(calibration.curve.shares[calibration.chosen])
    closest = min(abs(np.mean(difficulties >= other) - share) for other in [*difficulties[difficulties <= 1], 0, 1])
    assert abs(reached - share) == pytest.approx(closest)


def test_the_report_says_what_it_means_and_how_sure_it_is() -> None:
    told = render(calibrate(EVEN, BEFORE, Target(Tier.COMPLEX, 0.3))).splitlines()

    assert told[0] == "difficulty: {moderate: 0.2, complex: 0.7, reasoning: 0.8}"
    rows = {line[:20].strip(): line[20:].split() for line in told if line.startswith(("always", "this", "  95"))}
    assert rows["always weak"] == ["0.0", "%", "0.500", "0.0", "%"]
    assert rows["this threshold"] == ["30.0", "%", "0.800", "120.0", "%"]
    assert rows["always strong"] == ["100.0", "%", "0.750", "100.0", "%"]
    low, high = map(float, re.findall(r"[\d.]+", " ".join(rows["95 % interval"][:4])))
    assert 15 < low < 28 and 32 < high < 45


@pytest.mark.parametrize(
    ("entries", "told"),
    [
        ([(0.5, math.nan, math.nan)] * 100, "No threshold comes closer to 30.0 %."),
        ([(math.inf, math.nan, math.nan)] * 50 + EVEN[:50], "50.0 % of the prompts are strong calls whatever the"),
        ([(0.1, math.nan, math.nan), *EVEN], "Only 100 lines are graded; for the quality, all have to be."),
        ([(d, weak, weak) for d, weak, _ in EVEN], "there is no gap that strong calls could close."),
        ([(d / 10, 0.0, 1.0) for d, _, _ in EVEN], "moderate was 0.2 and moves along"),
    ],
)
def test_the_report_says_what_is_out_of_the_ordinary(entries: Sequence[Entry], told: str) -> None:
    report = render(calibrate(entries, BEFORE, Target(Tier.COMPLEX, 0.3)))

    assert told in report


def run(command: str, *arguments: object, lines: str) -> subprocess.CompletedProcess[str]:
    """As a user does."""
    return subprocess.run(
        sidecar_command(command, *arguments),
        input=lines,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )


@pytest.fixture(scope="module")
def log() -> str:
    """150 short prompts of all kinds, with grades."""
    rows = [json.loads(line) for file in sorted(PROMPTS.glob("a*.jsonl")) for line in file.read_bytes().splitlines()]
    short = sorted(row["text"] for row in rows if len(row["text"]) < 100)
    chosen = short[:: len(short) // 150][:150]
    graded = [{"text": text, "weak": place % 2, "strong": 1} for place, text in enumerate(chosen)]
    return "\n".join(map(json.dumps, graded))


def test_a_policy_with_the_printed_line_sends_up_the_printed_share(tmp_path: Path, log: str) -> None:
    """Those included that go up for their intent or for low confidence."""
    rest = (EXAMPLES / "minimal.yaml").read_text() + "intents: {translation: reasoning}\nmin_confidence: 0.5\n"
    policy = tmp_path / "policy.yaml"
    policy.write_text(rest)
    done = run("calibrate", "--strong-share", 0.3, "--tier", "reasoning", "--policy", policy, lines=log)
    assert (done.returncode, done.stderr) == (0, "")
    policy.write_text(rest + done.stdout.splitlines()[0])

    tiers = [json.loads(line)["tier"] for line in run("classify", "--policy", policy, lines=log).stdout.splitlines()]

    share = tiers.count("reasoning") / len(tiers)
    assert re.search(rf"^this threshold +{share * 100:.1f} % ", done.stdout, re.MULTILINE)
    assert re.search(
        r"^\d+\.\d % of the prompts are strong calls whatever the threshold is", done.stdout, re.MULTILINE
    )
    assert share == pytest.approx(0.3, abs=0.02)


def test_a_quality_is_found_in_a_log(log: str) -> None:
    done = run("calibrate", "--quality", 0.75, lines=log)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("difficulty: {moderate: ")
    found = re.search(r"this threshold +[\d.]+ % +([\d.]+)", done.stdout)
    assert found and 0.75 <= float(found[1]) < 0.77


def test_programs_get_the_same_as_json(log: str) -> None:
    done = run("calibrate", "--quality", 0.75, "--json", lines=log)

    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    assert told["tier"] == "complex" and told["prompts"] == told["graded"] == len(log.splitlines())
    assert 0.75 <= told["quality"] < 0.77
    assert list(told["difficulty"]) == ["moderate", "complex", "reasoning"]
    assert told["threshold_interval"][0] <= told["difficulty"]["complex"] <= told["threshold_interval"][1]


@pytest.mark.parametrize(
    ("arguments", "lines", "told"),
    [
        (
            ["--strong-share", 0.3],
            '{"text": "hi"}',
            "1 prompts are too few to calibrate on: expected 100 or more",
        ),
        (
            ["--quality", 0.3],
            '\n{"text": "hi"}',
            "line 2: weak: expected a grade from 0 to 1, but it is missing",
        ),
        (["--quality", 1.2], "", "argument --quality: expected a number from 0 to 1, got '1.2'"),
        ([], "", "one of the arguments --strong-share --quality is required"),
        (
            ["--strong-share", 0.3, "--tier", "simple"],
            "",
            "argument --tier: invalid choice: 'simple'",
        ),
    ],
)
def test_what_cannot_be_used_is_a_2_that_says_why(arguments: list[object], lines: str, told: str) -> None:
    done = run("calibrate", *arguments, lines=lines)

    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
