"""What fitting learns, that it can be interrupted, and when it stops."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from sidecar.finetuning.fit import Settings, collate, fit, fit_temperature
from sidecar.finetuning.network import Classifier, Outputs
from sidecar.finetuning.prompt import Prompt, Teaching
from sidecar.inference.tokenizer import PromptTokenizer
from sidecar.routing.tier import Tier
from tests.finetuning.with_torch.small import FILLERS, HARD, TOPICS, small_network

# Such steps would ruin a large network; a small one needs them to learn anything in a second.
QUICK = Settings(
    epochs=6.0,
    batch_size=8,
    encoder_learning_rate=5e-3,
    head_learning_rate=3e-2,
    steps_per_checkpoint=10,
    teacher_share=0.5,
)


def labelled(count: int = 48, copies: int = 0) -> list[Prompt]:
    """Topic i is intent i; with a hard word the tier is the highest, else the lowest."""
    rng = np.random.default_rng(0)
    prompts = []
    for number in range(count):
        topic, is_hard = number % len(TOPICS), number % 2
        words = [TOPICS[topic], *rng.choice(FILLERS, 4), *(HARD if is_hard else ())]
        tier = Tier.REASONING if is_hard else Tier.SIMPLE
        prompts.append(Prompt(text=" ".join(rng.permutation(words)), intent=topic, tier=tier, copies=copies))
    return prompts


def say_nothing(done: int, steps: int, loss: float, seconds_left: float) -> None:
    """No progress is shown."""


class Fitting:
    """Runs in one folder, so that one can go on with what another left."""

    def __init__(self, folder: Path, tokenizer: PromptTokenizer) -> None:
        self.checkpoint = folder / "checkpoint.pt"
        self._tokenizer = tokenizer

    def run(
        self,
        prompts: list[Prompt] | None = None,
        settings: Settings = QUICK,
        validate: Callable[[Classifier], float] | None = None,
        seed: int = 0,
    ) -> Classifier:
        """A small network, fitted."""
        network = small_network(seed)
        prompts = labelled() if prompts is None else prompts
        fit(network, prompts, self._tokenizer, settings, self.checkpoint, progress=say_nothing, validate=validate)
        return network

    def ask(self, network: Classifier, text: str) -> Outputs:
        """One prompt."""
        tokens = self._tokenizer.encode(text)
        with torch.inference_mode():
            outputs: Outputs = network(*collate([tokens.input_ids[0]], [tokens.characters]))
        return outputs


@pytest.fixture
def fitting(tmp_path: Path, tokenizer: PromptTokenizer) -> Fitting:
    return Fitting(tmp_path, tokenizer)


@pytest.fixture
def elsewhere(tmp_path: Path, tokenizer: PromptTokenizer) -> Fitting:
    """Another folder, with nothing to go on from."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    return Fitting(folder, tokenizer)


class Scripted:
    """A validation whose figures are known beforehand."""

    def __init__(self, *figures: float) -> None:
        self._figures = figures
        self.weights: list[dict[str, torch.Tensor]] = []

    def __call__(self, network: Classifier) -> float:
        self.weights.append({name: tensor.clone() for name, tensor in network.state_dict().items()})
        return self._figures[len(self.weights) - 1]


def erratic(network: Classifier) -> float:
    """A validation that goes up and down, but says the same of the same weights."""
    return math.sin(100 * float(network.intent_head.weight.detach().sum()))


def are_equal(one: Classifier, another: Classifier | dict[str, torch.Tensor]) -> bool:
    """Whether they have the same weights, to the bit."""
    theirs = another if isinstance(another, dict) else another.state_dict()
    return all(torch.equal(tensor, theirs[name]) for name, tensor in one.state_dict().items())


def test_a_rule_is_learnt(fitting: Fitting) -> None:
    network = fitting.run(settings=replace(QUICK, epochs=15.0))

    for number, topic in enumerate(TOPICS):
        outputs = fitting.ask(network, f"please the {topic} again today")
        assert int(outputs.intent_logits.argmax()) == number
        harder = fitting.ask(network, f"please the {topic} again today {' '.join(HARD)}")
        assert float(outputs.difficulty_logit) < 0 < float(harder.difficulty_logit)


def test_the_same_seed_gives_the_same_weights_and_another_gives_others(fitting: Fitting, elsewhere: Fitting) -> None:
    network = fitting.run(labelled(copies=1))
    again = elsewhere.run(labelled(copies=1))
    elsewhere.checkpoint.unlink()

    assert are_equal(network, again)
    assert not are_equal(network, elsewhere.run(labelled(copies=1), replace(QUICK, seed=18)))


def test_prompts_without_labels_teach_nothing(fitting: Fitting) -> None:
    """Weight decay aside, which is the same for both."""
    one, another = ([Prompt(text=text)] * 8 for text in ("refund", "the outage is about my order"))

    network = fitting.run(one)
    fitting.checkpoint.unlink()

    assert are_equal(network, fitting.run(another))


def test_a_teacher_s_target_is_learnt_where_nobody_labelled(fitting: Fitting) -> None:
    teaching = Teaching(np.array([0.1, 0.7, 0.2], np.float32), np.array([0.9, 0.5, 0.2], np.float32))
    prompts = [Prompt(text=f"refund {filler}", teaching=teaching) for filler in FILLERS]

    network = fitting.run(prompts, replace(QUICK, epochs=60.0))

    outputs = fitting.ask(network, "refund today")
    np.testing.assert_allclose(outputs.intent_logits.softmax(dim=1)[0], teaching.intents, atol=0.05)
    np.testing.assert_allclose(outputs.tier_logits.sigmoid()[0], teaching.above, atol=0.07)


@pytest.mark.parametrize(("share", "taught"), [(0.0, 0), (1.0, 1)])
def test_where_there_is_a_label_a_teacher_has_its_share(fitting: Fitting, share: float, taught: int) -> None:
    teaching = Teaching(np.array([0, 1, 0], np.float32), np.array([1, 1, 1], np.float32))
    prompts = [Prompt(text=f"refund {f}", intent=0, tier=Tier.SIMPLE, teaching=teaching) for f in FILLERS]

    network = fitting.run(prompts, replace(QUICK, epochs=20.0, teacher_share=share))

    outputs = fitting.ask(network, "refund today")
    assert int(outputs.intent_logits.argmax()) == taught
    assert (float(outputs.difficulty_logit) > 0) == bool(taught)


def test_a_graded_source_s_base_rate_is_not_taken_for_difficulty(fitting: Fitting) -> None:
    """One source's grader finds most answers wrong; a word tells within each source alike which prompts are hard."""
    prompts = [
        Prompt(text=f"{word} {topic} {filler}", group=topic, failure=min(1.0, rate + harder))
        for topic, rate in (("refund", 0.1), ("outage", 0.7))
        for word, harder in (("please", 0.0), ("prove", 0.25))
        for filler in FILLERS
    ]

    network = fitting.run(prompts, replace(QUICK, epochs=30.0))

    def gap(one: str, another: str) -> float:
        return float(fitting.ask(network, one).difficulty_logit - fitting.ask(network, another).difficulty_logit)

    assert gap("prove refund today", "please refund today") > 0.3
    assert gap("prove outage today", "please outage today") > 0.3


@pytest.mark.parametrize("at", [1, 2, 4])
def test_a_run_that_was_interrupted_ends_as_if_it_had_not_been(fitting: Fitting, elsewhere: Fitting, at: int) -> None:
    """It had `at` checkpoints less one, and looked at prompts after the last of them."""
    prompts = labelled(copies=1)
    whole = elsewhere.run(prompts, validate=erratic)
    calls = 0

    def interrupting(network: Classifier) -> float:
        nonlocal calls
        calls += 1
        if calls == at:
            raise KeyboardInterrupt
        return erratic(network)

    with pytest.raises(KeyboardInterrupt):
        fitting.run(prompts, validate=interrupting)
    assert fitting.checkpoint.exists() == (at > 1)

    assert are_equal(fitting.run(prompts, validate=erratic), whole)


def test_a_finished_run_is_not_run_again(fitting: Fitting) -> None:
    network = fitting.run(validate=erratic)
    never = Scripted()

    assert are_equal(fitting.run(validate=never), network)
    assert never.weights == []


def relabelled() -> list[Prompt]:
    """As many prompts as before, one with another label."""
    first, *rest = labelled()
    return [replace(first, intent=2), *rest]


@pytest.mark.parametrize(
    ("other", "start"),
    [
        ({"prompts": labelled(40)}, 0),
        ({"prompts": relabelled()}, 0),
        ({"settings": replace(QUICK, label_smoothing=0.1)}, 0),
        ({"settings": replace(QUICK, epochs=7.0)}, 0),
        ({}, 1),
    ],
    ids=["fewer prompts", "a label corrected", "another setting", "more epochs", "other weights to start from"],
)
def test_another_run_s_checkpoint_is_not_gone_on_from(
    fitting: Fitting, elsewhere: Fitting, other: dict[str, object], start: int
) -> None:
    fitting.run()

    assert are_equal(fitting.run(**other, seed=start), elsewhere.run(**other, seed=start))  # type: ignore[arg-type]


def test_patience_ends_a_run_and_its_best_weights_are_kept(fitting: Fitting) -> None:
    validate = Scripted(0.2, 0.5, 0.5, 0.4)

    network = fitting.run(settings=replace(QUICK, epochs=50.0, patience=2), validate=validate)

    assert len(validate.weights) == 4
    assert are_equal(network, validate.weights[1])
    assert not network.training


def test_a_better_figure_renews_the_patience(fitting: Fitting) -> None:
    validate = Scripted(0.2, 0.1, 0.3, 0.1, 0.4, 0.3, 0.2)

    network = fitting.run(settings=replace(QUICK, epochs=50.0, patience=2), validate=validate)

    assert len(validate.weights) == 7
    assert are_equal(network, validate.weights[4])


def test_a_run_that_lost_its_patience_and_then_its_process_does_not_go_on(fitting: Fitting) -> None:
    patient = replace(QUICK, epochs=50.0, patience=2)
    network = fitting.run(settings=patient, validate=Scripted(0.2, 0.5, 0.5, 0.4))
    never = Scripted()

    assert are_equal(fitting.run(settings=patient, validate=never), network)
    assert never.weights == []


def test_frozen_parts_keep_their_weights(fitting: Fitting) -> None:
    before = small_network().state_dict()

    after = fitting.run(settings=replace(QUICK, frozen_layers=1)).state_dict()

    moved = {name for name, tensor in after.items() if not torch.equal(tensor, before[name])}
    elsewhere = ("encoder.", "similarity.", "temperature")  # the last two are fitted afterwards
    assert moved == {name for name in before if not name.startswith(elsewhere)}


def test_word_embeddings_are_trained_only_with_a_learning_rate_of_their_own(fitting: Fitting) -> None:
    name = "encoder.embeddings.word_embeddings.weight"
    before = small_network().state_dict()[name]

    assert torch.equal(fitting.run().state_dict()[name], before)
    trained = fitting.run(settings=replace(QUICK, embedding_learning_rate=1e-3)).state_dict()[name]
    assert not torch.equal(trained, before)


def test_the_temperature_makes_a_network_as_sure_as_it_is_right(tokenizer: PromptTokenizer) -> None:
    """Of its prompts three in four are right: no other confidence is likelier."""
    network = small_network()
    with torch.no_grad():
        network.intent_head.weight.zero_()
        network.intent_head.bias.copy_(torch.tensor([5.0, 0.0, 0.0]))
    prompts = [Prompt(text="refund", intent=intent) for intent in (0, 0, 0, 1, 0, 0, 0, 2)]

    temperature = fit_temperature(network, [*prompts, Prompt(text="refund", tier=Tier.SIMPLE)], tokenizer)

    assert temperature == pytest.approx(float(network.temperature)) and temperature > 1
    tokens = tokenizer.encode("outage")
    with torch.inference_mode():
        outputs = network(*collate([tokens.input_ids[0]], [tokens.characters]))
    assert float(outputs.intent_logits.softmax(dim=1).max()) == pytest.approx(0.75, abs=0.01)
