"""Puts a policy and a model together into what decides: the same parts for the server and for every tool."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from sidecar.config.compile import DEFAULT_INTENT_TIERS, CacheConfig, ClassifierConfig, Config
from sidecar.config.document import suggest
from sidecar.inference.cache import CachedClassifier, CacheSettings
from sidecar.inference.examples import ExampleIndex, ExamplesUnusableError
from sidecar.inference.onnx_classifier import SHIPPED_MODEL, ModelFolderError, OnnxClassifier
from sidecar.inference.pool import ClassifierPool
from sidecar.processors import available_processors
from sidecar.routing.classification import Classification, ClassifierFailedError
from sidecar.routing.router import Router


@dataclass(frozen=True, slots=True)
class Engine:
    """A loaded model, the threads that run it, and what it remembers; policies come and go, an engine stays."""

    onnx: OnnxClassifier
    pool: ClassifierPool
    classifier: CachedClassifier
    settings: ClassifierConfig
    cache: CacheConfig


def build_engine(config: Config, workers: int) -> Engine:
    """On as many threads as there are processors for each of the workers. Raises ModelFolderError."""
    onnx = load_classifier(config)
    pool = build_pool(config.classifier, workers)
    return Engine(onnx, pool, build_cached(onnx, pool.run, config), config.classifier, config.cache)


def build_router(config: Config, engine: Engine) -> Router:
    """Raises ModelFolderError unless the policy and the engine's model fit each other."""
    require_fit(config, engine.onnx)
    try:
        examples = ExampleIndex(config.policy.examples, lambda text: engine.onnx.read(text).embedding)
    except (ExamplesUnusableError, ClassifierFailedError) as error:
        raise ModelFolderError(f"{model_folder(config)}: {error}") from error
    return Router(
        config.policy,
        engine.classifier,
        examples,
        deadline_seconds=config.classifier.deadline_seconds,
        classifier_version=engine.onnx.version,
    )


def model_folder(config: Config) -> Path:
    """The policy's model, or the shipped one."""
    return config.classifier.model_folder or SHIPPED_MODEL


def load_classifier(config: Config) -> OnnxClassifier:
    """Raises ModelFolderError, also if its intents and the policy's don't agree."""
    classifier = OnnxClassifier.load(model_folder(config))
    require_fit(config, classifier)
    return classifier


def require_fit(config: Config, classifier: OnnxClassifier) -> None:
    """Raises ModelFolderError if the policy speaks of intents that nothing tells, or leaves some without a tier."""
    folder, rule = model_folder(config), config.policy.tier_rule
    known = {*classifier.intents, *DEFAULT_INTENT_TIERS, *(example.name for example in config.policy.examples)}
    unheard = [intent for intent in rule.bounds if intent not in known]
    if unheard:
        close = suggest(unheard[0], known)
        raise ModelFolderError(f"{folder}: the classifier knows no intent {unheard[0]!r} of the policy{close}")
    unplaced = [] if classifier.has_difficulty else rule.unplaced(classifier.intents)
    if unplaced:
        raise ModelFolderError(
            f"{folder}: the model tells no difficulty, and the policy gives no tier to {', '.join(unplaced)}: "
            "add a line for each under `intents`"
        )


def build_pool(config: ClassifierConfig, workers: int) -> ClassifierPool:
    """As many threads as there are processors for each of the workers."""
    threads = config.threads or max(1, available_processors() // workers)
    return ClassifierPool(threads, config.queue, config.deadline_seconds)


def build_cached(
    onnx: OnnxClassifier, run: Callable[[Callable[[], Classification]], Awaitable[Classification]], config: Config
) -> CachedClassifier:
    """The classifier behind its cache."""
    settings = CacheSettings(
        config.cache.entries,
        across_tenants=config.cache.across_tenants,
        near_duplicates=config.cache.near_duplicates,
    )
    return CachedClassifier(onnx.classify, run, settings)
