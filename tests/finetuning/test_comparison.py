"""Which of two models is said to be better, with small models whose answers are known."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from sidecar.config.compile import DEFAULT_INTENT_TIERS
from sidecar.finetuning.comparison import Comparison, compare
from sidecar.finetuning.prompt import Prompt
from sidecar.inference.onnx_classifier import OnnxClassifier
from sidecar.routing.tier import Tier
from sidecar.routing.tier_rule import DifficultyThresholds, TierRule
from tests.fakes.model_folders import make_model_folder

RULE = TierRule(
    difficulty=DifficultyThresholds(moderate=0.25, complex=0.5, reasoning=0.75),
    min_confidence=0.6,
    bounds={},
    usual_tiers=DEFAULT_INTENT_TIERS,
)

BILLING, OPERATIONS = 0, 1
# Logits of difficulties that are far below and above all thresholds.
EASY, HARD = -5.0, 5.0

# What the words of the small models stand for, and the other way round.
RIGHT, WRONG = 5.0, -5.0

MakeModel = Callable[..., OnnxClassifier]


@pytest.fixture
def model(tmp_path: Path) -> MakeModel:
    """Makes a model."""

    def make(strength: float = RIGHT, difficulty: float | None = EASY, **more: Any) -> OnnxClassifier:
        folder = tmp_path / f"model-{len([*tmp_path.iterdir()])}"
        return OnnxClassifier.load(make_model_folder(folder, strength=strength, difficulty=difficulty, **more))

    return make


def with_intents(refunds: int, outages: int, mistaken: int = 0) -> list[Prompt]:
    """So many of each, and some outages that talk of refunds."""
    return [
        *(Prompt(text="refund", intent=BILLING) for _ in range(refunds)),
        *(Prompt(text="outage", intent=OPERATIONS) for _ in range(outages)),
        *(Prompt(text="refund", intent=OPERATIONS) for _ in range(mistaken)),
    ]


def with_tiers(*tiers: Tier) -> list[Prompt]:
    """One of each."""
    return [Prompt(text="refund", tier=tier) for tier in tiers]


def compared(new: OnnxClassifier, in_use: OnnxClassifier, prompts: Sequence[Prompt]) -> Comparison:
    """With the rule and a seed."""
    return compare(new, in_use, prompts, RULE, seed=17)


def test_a_model_that_is_right_beats_one_that_is_wrong_and_the_other_way_round(model: MakeModel) -> None:
    right, wrong, prompts = model(RIGHT), model(WRONG), with_intents(10, 10)

    better, worse = compared(right, wrong, prompts), compared(wrong, right, prompts)

    assert (better.verdict, better.measure, better.difference) == ("better", "macro-F1", 1.0)
    assert (worse.verdict, worse.measure, worse.difference) == ("worse", "macro-F1", -1.0)
    assert (better.new.macro_f1, better.new.accuracy) == (1.0, 1.0)
    assert (better.in_use.macro_f1, better.in_use.accuracy) == (0.0, 0.0)
    # Both are sure, one of them of what is wrong.
    assert better.new.calibration_error == pytest.approx(0, abs=0.01)
    assert better.in_use.calibration_error == pytest.approx(1, abs=0.01)
    assert better.new.right_tier is better.new.too_low is None


def test_a_model_is_no_better_than_itself(model: MakeModel) -> None:
    same = compared(model(), model(), with_intents(7, 5, mistaken=6))

    assert (same.verdict, same.difference, same.interval) == ("no clear difference", 0.0, (0.0, 0.0))
    assert same.new == same.in_use


def test_a_difference_that_a_few_prompts_could_reverse_is_not_clear(model: MakeModel) -> None:
    """One is right about six of eleven prompts and the other about the other five."""
    unclear = compared(model(RIGHT), model(WRONG), with_intents(6, 0, mistaken=5))

    assert unclear.verdict == "no clear difference"
    assert unclear.interval[0] < 0 < unclear.difference < unclear.interval[1]


def test_the_same_seed_gives_the_same_interval(model: MakeModel) -> None:
    new, in_use, prompts = model(RIGHT), model(WRONG), with_intents(6, 3, mistaken=5)

    assert compared(new, in_use, prompts) == compared(new, in_use, prompts)


def test_models_with_other_intents_are_compared_by_tiers(model: MakeModel) -> None:
    new, in_use = model(difficulty=HARD), model(difficulty=EASY, labels=("math", "coding"))
    prompts = [Prompt(text="refund", intent=BILLING, tier=Tier.REASONING) for _ in range(10)]

    by_tiers = compared(new, in_use, prompts)

    assert (by_tiers.verdict, by_tiers.measure, by_tiers.difference) == ("better", "right tier", 1.0)
    assert (by_tiers.new.right_tier, by_tiers.new.too_low) == (1.0, 0.0)
    assert (by_tiers.in_use.right_tier, by_tiers.in_use.too_low) == (0.0, 1.0)
    assert by_tiers.new.accuracy == 1.0
    assert by_tiers.in_use.accuracy is by_tiers.in_use.macro_f1 is by_tiers.in_use.calibration_error is None


def test_models_with_other_intents_and_prompts_without_tiers_cannot_be_compared(model: MakeModel) -> None:
    other = compared(model(), model(labels=("math", "coding")), with_intents(5, 5))

    assert (other.verdict, other.measure, other.difference) == ("not comparable", "", 0.0)
    assert other.new.accuracy == 1.0


def test_the_same_intents_in_another_order_are_others(model: MakeModel) -> None:
    other = compared(model(), model(labels=("operations", "billing")), with_intents(5, 5))

    assert other.verdict == "not comparable"


def test_prompts_count_only_for_what_they_are_labelled_with(model: MakeModel) -> None:
    prompts = [*with_intents(4, 4), *with_tiers(Tier.SIMPLE, Tier.SIMPLE, Tier.COMPLEX, Tier.REASONING)]

    figures = compared(model(RIGHT, EASY), model(RIGHT, EASY), prompts).new

    assert (figures.accuracy, figures.right_tier, figures.too_low) == (1.0, 0.5, 0.5)


def test_one_labelled_tier_among_many_prompts_is_enough(model: MakeModel) -> None:
    """Many resamples hold none, and tell nothing; a warning would be an error here."""
    new, in_use = model(difficulty=HARD), model(difficulty=EASY, labels=("math", "coding"))

    rare = compared(new, in_use, [*with_tiers(Tier.REASONING), *with_intents(10, 9)])

    assert (rare.verdict, rare.interval) == ("better", (1.0, 1.0))


def test_tiers_are_those_of_the_rule(model: MakeModel) -> None:
    """Doubt raises one model's tier; the other tells no difficulty, so that its tiers are its intents'."""
    in_doubt = model(strength=0.1, difficulty=EASY)
    without_difficulty = model(difficulty=None, labels=("chat", "math"))
    prompts = [*with_tiers(Tier.MODERATE), Prompt(text="outage", tier=Tier.REASONING)]

    figures = compared(in_doubt, without_difficulty, prompts)

    assert (figures.new.right_tier, figures.new.too_low) == (0.5, 0.5)
    assert DEFAULT_INTENT_TIERS["chat"] is Tier.SIMPLE and DEFAULT_INTENT_TIERS["math"] is Tier.REASONING
    assert (figures.in_use.right_tier, figures.in_use.too_low) == (0.5, 0.5)


def test_a_comparison_is_kept_as_json(model: MakeModel) -> None:
    written = json.dumps(compared(model(RIGHT), model(WRONG), with_intents(5, 5)).as_json())

    kept = json.loads(written)
    assert (kept["verdict"], kept["measure"], kept["difference"], kept["interval"]) == (
        "better",
        "macro-F1",
        1.0,
        [1.0, 1.0],
    )
    assert kept["new"]["accuracy"] == 1.0 and kept["new"]["right_tier"] is None
