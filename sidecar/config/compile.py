"""What runs: names resolved, defaults filled in, contradictions refused."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import msgspec

from sidecar.config.document import Members, Value, read_document, suggest
from sidecar.config.schema import (
    WrittenClassifier,
    WrittenModel,
    WrittenProvider,
    read_classifier,
    read_model,
    read_name,
    read_provider,
    read_tier,
)
from sidecar.routing.api import Api, Endpoint
from sidecar.routing.policy import Model, Policy, build_plans
from sidecar.routing.tier import Tier
from sidecar.routing.tier_rule import DifficultyThresholds, TierRule

# What each intent usually needs, for a classifier that tells no difficulty: see docs/taxonomy.md for their meanings.
DEFAULT_INTENT_TIERS = {
    "chat": Tier.SIMPLE,
    "factual_qa": Tier.SIMPLE,
    "classification": Tier.SIMPLE,
    "extraction": Tier.SIMPLE,
    "translation": Tier.MODERATE,
    "summarization": Tier.MODERATE,
    "rewriting": Tier.MODERATE,
    "writing": Tier.MODERATE,
    "explanation": Tier.MODERATE,
    "code_generation": Tier.COMPLEX,
    "code_debugging": Tier.COMPLEX,
    "expert_qa": Tier.COMPLEX,
    "planning": Tier.COMPLEX,
    "math": Tier.REASONING,
    "logical_reasoning": Tier.REASONING,
}

# Chosen for the shipped classifier on prompts it was not trained on; its model card has the figures.
DEFAULT_DIFFICULTY = DifficultyThresholds(moderate=0.125, complex=0.5, reasoning=0.8)
DEFAULT_MIN_CONFIDENCE = 0.4

DEFAULT_TIER_RULE = TierRule(
    difficulty=DEFAULT_DIFFICULTY,
    min_confidence=DEFAULT_MIN_CONFIDENCE,
    least_tiers={},
    usual_tiers=DEFAULT_INTENT_TIERS,
)


@dataclass(frozen=True, slots=True)
class ClassifierConfig:
    """How to run the classifier."""

    model_folder: Path | None
    """None: the model that the package ships."""
    deadline_seconds: float
    threads: int | None
    """None: as many as the process may use processors."""
    queue: int
    """Prompts that may wait for a thread."""
    cache_entries: int


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that a policy file says."""

    policy: Policy
    classifier: ClassifierConfig


def load_config(file: Path) -> Config:
    """Read, check and resolve a policy file. Raises ConfigError for the first fault found."""
    document = read_document(file)
    top = document.members().only(
        "providers", "models", "virtual_models", "fallback", "intents", "difficulty", "min_confidence", "classifier"
    )
    providers = {read_name(name, value): read_provider(value) for name, value in top.need("providers").members()}
    models = _compile_models(top.need("models").members(), providers)
    virtual_models = _compile_virtual_models(top.need("virtual_models").members(), models)
    min_confidence = top.get("min_confidence")
    classifier = top.get("classifier")
    fallbacks = _compile_fallbacks(top.need("fallback"), models)
    policy = Policy(
        models=models,
        virtual_models=virtual_models,
        fallbacks=fallbacks,
        tier_rule=replace(
            DEFAULT_TIER_RULE,
            difficulty=_compile_difficulty(top.get("difficulty")),
            min_confidence=min_confidence.number(0, 1) if min_confidence else DEFAULT_MIN_CONFIDENCE,
            least_tiers=_compile_intents(top.get("intents")),
        ),
        plans=build_plans(models.values(), fallbacks),
        hash="",
    )
    written = read_classifier(classifier.members()) if classifier else WrittenClassifier()
    return Config(_with_hash(policy), _compile_classifier(written, file))


def _compile_models(members: Members, providers: Mapping[str, WrittenProvider]) -> dict[str, Model]:
    models = {}
    for name, value in members:
        models[read_name(name, value)] = _compile_model(name, read_model(name, value), providers)
    if not models:
        raise members.whole.error("at least one model is needed")
    return models


def _compile_model(name: str, written: WrittenModel, providers: Mapping[str, WrittenProvider]) -> Model:
    provider = written.provider.text()
    if provider not in providers:
        raise written.provider.error(f"no provider is named {provider!r}{suggest(provider, providers)}")
    return Model(
        name=name,
        id=written.id,
        cluster=written.cluster,
        provider=provider,
        endpoints=providers[provider].endpoints,
        tier=written.tier,
        context=written.context,
        price=written.price,
        unsupported=written.unsupported,
    )


def _compile_virtual_models(members: Members, models: Mapping[str, Model]) -> frozenset[str]:
    for name, value in members:
        read_name(name, value)
        if name in models:
            raise value.error("a model has that name already")
        value.members().only()
    return frozenset(name for name, _ in members)


def _compile_fallbacks(value: Value, models: Mapping[str, Model]) -> dict[Endpoint, Model]:
    """For each endpoint the first of the list that can be asked there; every API that is spoken needs one."""
    listed: list[Model] = []
    for name in value.texts():
        if name.text() not in models:
            raise name.error(f"no model is named {name.text()!r}{suggest(name.text(), models)}")
        model = models[name.text()]
        if listed and not model.endpoints - set[Endpoint]().union(*(earlier.endpoints for earlier in listed)):
            raise name.error(f"never used: {', '.join(earlier.name for earlier in listed)} stand before it")
        listed.append(model)
    for model in models.values():
        if not _apis(model) & set().union(*map(_apis, listed)):
            names = ", ".join([*(fallback.name for fallback in listed), model.name])
            (api,) = _apis(model)
            raise value.error(f"no fallback speaks the {api} API, but {model.name} does; write [{names}]")
    return {endpoint: model for model in reversed(listed) for endpoint in model.endpoints}


def _apis(model: Model) -> set[Api]:
    return {endpoint.api for endpoint in model.endpoints}


def _compile_intents(value: Value | None) -> dict[str, Tier]:
    return {read_name(name, tier): read_tier(tier) for name, tier in value.members()} if value else {}


def _compile_difficulty(value: Value | None) -> DifficultyThresholds:
    if value is None:
        return DEFAULT_DIFFICULTY
    given = {key: number.number(0, 1) for key, number in value.members().only("moderate", "complex", "reasoning")}
    thresholds = DifficultyThresholds(**asdict(DEFAULT_DIFFICULTY) | given)
    if not thresholds.moderate <= thresholds.complex <= thresholds.reasoning:
        raise value.error(
            "thresholds must rise with the tier; with defaults filled in they are "
            f"moderate {thresholds.moderate:g}, complex {thresholds.complex:g}, reasoning {thresholds.reasoning:g}"
        )
    return thresholds


def _compile_classifier(written: WrittenClassifier, file: Path) -> ClassifierConfig:
    return ClassifierConfig(
        # A relative path is relative to the file that says it, wherever the server is started.
        model_folder=file.parent / written.model if written.model else None,
        deadline_seconds=written.deadline_ms / 1000,
        threads=written.threads,
        queue=written.queue,
        cache_entries=written.cache_entries,
    )


def _with_hash(policy: Policy) -> Policy:
    """Over what the policy means, not how it is written; the order of models is part of what it means."""
    meaning = {
        "models": [_as_written(model) for model in policy.models.values()],
        "virtual_models": sorted(policy.virtual_models),
        "fallbacks": {at: model.name for at, model in sorted(policy.fallbacks.items())},
        "intents": {intent: tier.label for intent, tier in sorted(policy.tier_rule.least_tiers.items())},
        "usual_tiers": {intent: tier.label for intent, tier in sorted(policy.tier_rule.usual_tiers.items())},
        "difficulty": asdict(policy.tier_rule.difficulty),
        "min_confidence": policy.tier_rule.min_confidence,
    }
    digest = hashlib.sha256(msgspec.json.encode(meaning)).hexdigest()[:16]
    return replace(policy, hash=digest)


def _as_written(model: Model) -> dict[str, object]:
    """Sets in an order of their own: theirs differs from process to process."""
    return asdict(model) | {"endpoints": sorted(model.endpoints), "unsupported": sorted(model.unsupported)}
