"""Which of a policy's own intents a prompt is closest to."""

from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from sidecar.inference.examples import ExampleIndex, ExamplesUnusableError
from sidecar.inference.onnx_classifier import SHIPPED_MODEL, OnnxClassifier
from sidecar.routing.policy import ExampleIntent
from tests.fakes.properties import examples

REFUND = ExampleIntent("refund", ("east", "north"), threshold=0.9)
OUTAGE = ExampleIntent("outage", ("west",), threshold=0.5)


def towards(degrees: float) -> NDArray[np.float32]:
    """A vector of length 1; east is 0."""
    radians = np.radians(degrees)
    return np.array([np.cos(radians), np.sin(radians)], np.float32)


COMPASS: Mapping[str, NDArray[np.float32]] = {
    name: towards(degrees) for name, degrees in (("east", 0), ("north", 90), ("west", 180), ("south", 270))
}


def index(*intents: ExampleIntent) -> ExampleIndex:
    """Of examples that are directions."""
    return ExampleIndex(intents, COMPASS.__getitem__)


@pytest.mark.parametrize(
    ("degrees", "intent"),
    [
        (0, "refund"),
        (90, "refund"),
        (25, "refund"),
        (65, "refund"),
        # halfway between two examples it is far from both
        (45, None),
        (26, None),
        (-25, "refund"),
        (-26, None),
        (180, "outage"),
        (121, "outage"),
        (239, "outage"),
        (270, None),
        (300, None),
    ],
)
def test_a_prompt_has_the_intent_of_an_example_that_is_close_enough(degrees: float, intent: str | None) -> None:
    example = index(REFUND, OUTAGE).match(towards(degrees))

    assert (example.intent if example is not None else None) == intent


@pytest.mark.parametrize(
    ("degrees", "similarity"), [(0, 1.0), (20, np.cos(np.radians(20))), (70, np.cos(np.radians(20)))]
)
def test_the_similarity_is_the_cosine_of_the_closest_example(degrees: float, similarity: float) -> None:
    example = index(REFUND).match(towards(degrees))

    assert example is not None
    assert example.similarity == round(similarity, 4)
    assert type(example.similarity) is float


def test_of_two_intents_that_are_close_enough_the_closer_one_counts() -> None:
    lax = [ExampleIntent("refund", ("east",), 0.1), ExampleIntent("outage", ("north",), 0.1)]

    for intents in (lax, lax[::-1]):
        near_east, near_north = index(*intents).match(towards(40)), index(*intents).match(towards(50))
        assert near_east is not None and near_north is not None
        assert (near_east.intent, near_north.intent) == ("refund", "outage")


def test_one_that_is_not_close_enough_is_in_nobodys_way() -> None:
    strict, lax = ExampleIntent("strict", ("east",), 0.99), ExampleIntent("lax", ("north",), 0.3)

    example = index(strict, lax).match(towards(20))

    assert example is not None and example.intent == "lax"


def test_of_two_that_are_as_close_the_first_counts() -> None:
    twins = [ExampleIntent(name, ("east",), 0.5) for name in ("first", "second")]

    example = index(*twins).match(towards(0))

    assert example is not None and example.intent == "first"


@given(st.floats(0, 360), st.floats(-1, 1))
@examples(200)
def test_a_threshold_belongs_to_what_it_lets_in(degrees: float, threshold: float) -> None:
    similarity = float(np.stack([COMPASS["east"]])[0] @ towards(degrees))

    example = index(ExampleIntent("refund", ("east",), threshold)).match(towards(degrees))

    assert (example is not None) is (round(similarity, 4) >= threshold)


def test_without_examples_or_without_an_embedding_there_is_no_such_intent() -> None:
    assert index().match(towards(0)) is None
    assert index(REFUND).match(None) is None


def test_a_model_without_embeddings_is_told_to_be_of_no_use_for_examples() -> None:
    with pytest.raises(
        ExamplesUnusableError, match="the policy has examples of 'refund', but the model has no output"
    ):
        ExampleIndex([REFUND], lambda text: None)
    assert ExampleIndex([], lambda text: None).match(None) is None


def test_with_the_shipped_model_an_example_is_what_it_is_an_example_of() -> None:
    model = OnnxClassifier.load(SHIPPED_MODEL)
    refund = ExampleIntent("refund", ("I want my money back", "Please refund my order."), 0.6)
    outage = ExampleIntent("outage", ("Your service is down.",), 0.6)

    shipped = ExampleIndex([refund, outage], lambda text: model.read(text).embedding)

    for intent in (refund, outage):
        for text in intent.examples:
            example = shipped.match(model.classify(text).embedding)
            assert example is not None and example.intent == intent.name
            assert example.similarity == pytest.approx(1)
    assert shipped.match(model.classify("Prove that there are infinitely many primes.").embedding) is None
