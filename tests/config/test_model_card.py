"""The intents that a policy may speak of are those of the model that will be loaded."""

from pathlib import Path

from sidecar.config.defaults import DEFAULT_INTENT_TIERS
from sidecar.config.model_card import read_labels
from sidecar.inference.onnx_classifier import SHIPPED_MODEL, OnnxClassifier
from tests.fakes.model_folders import make_model_folder


def test_the_labels_of_a_folder_are_the_intents_of_its_classifier(tmp_path: Path) -> None:
    folder = make_model_folder(tmp_path)

    assert read_labels(folder) == OnnxClassifier.load(folder).intents


def test_the_built_in_intents_are_those_of_the_shipped_model() -> None:
    assert sorted(read_labels(SHIPPED_MODEL)) == sorted(DEFAULT_INTENT_TIERS)
