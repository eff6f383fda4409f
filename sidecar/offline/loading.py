"""What serving would classify and decide with, loaded for the other commands."""

from dataclasses import dataclass
from pathlib import Path

from sidecar.config.compile import DEFAULT_TIER_RULE, load_config
from sidecar.config.document import ConfigError
from sidecar.inference.onnx_classifier import SHIPPED_MODEL, ModelFolderError, OnnxClassifier
from sidecar.routing.tier_rule import TierRule
from sidecar.streams.lines import InputError


@dataclass(frozen=True, slots=True)
class Setup:
    """A classifier, where it comes from, and the rule from its classifications to tiers."""

    folder: Path
    classifier: OnnxClassifier
    tier_rule: TierRule


def load_setup(policy: Path | None, model: Path | None) -> Setup:
    """The policy's rule and model, or the defaults and the shipped one; `model` goes before the policy's.

    Raises InputError.
    """
    try:
        config = load_config(policy) if policy else None
        folder = model or (config and config.classifier.model_folder) or SHIPPED_MODEL
        classifier = OnnxClassifier.load(folder)
    except (ConfigError, ModelFolderError) as error:
        raise InputError(str(error)) from error
    rule = config.policy.tier_rule if config else DEFAULT_TIER_RULE
    unplaced = [] if classifier.has_difficulty else rule.unplaced(classifier.intents)
    if unplaced:
        raise InputError(
            f"{folder}: the model tells no difficulty, and no policy gives a tier to {', '.join(unplaced)}: "
            "give one with --policy that has a line for each under `intents`"
        )
    return Setup(folder, classifier, rule)
