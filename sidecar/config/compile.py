"""The way from a policy file to what runs."""

from dataclasses import replace
from pathlib import Path
from typing import Literal, cast

from sidecar.config.compiling.checks import check_rank, check_something_can_be_asked
from sidecar.config.compiling.holes import HoleFinder
from sidecar.config.compiling.intents import compile_examples, compile_tier_rule
from sidecar.config.compiling.meaning import hash_meaning
from sidecar.config.compiling.models import compile_fallbacks, compile_models, compile_providers
from sidecar.config.compiling.names import Names
from sidecar.config.compiling.requests import compile_tests
from sidecar.config.compiling.rules import compile_requirements, compile_rules, find_windows
from sidecar.config.compiling.signals import compile_read_headers, compile_reader, compile_search
from sidecar.config.defaults import (
    DEFAULT_DIFFICULTY,
    DEFAULT_INTENT_TIERS,
    DEFAULT_MIN_CONFIDENCE,
    DEFAULT_TIER_RULE,
)
from sidecar.config.document import Document, read_document
from sidecar.config.running import (
    CacheConfig,
    ClassifierConfig,
    Config,
    Expectation,
    Provider,
    RecordFile,
    RecordsConfig,
    RoutingTest,
)
from sidecar.config.schema.policy_file import WrittenPolicy, WrittenRank, WrittenRecordFile
from sidecar.config.told import validate
from sidecar.routing.policy import CallersMay, Policy, Rank
from sidecar.routing.ranking import build_plans

__all__ = [
    "DEFAULT_DIFFICULTY",
    "DEFAULT_INTENT_TIERS",
    "DEFAULT_MIN_CONFIDENCE",
    "DEFAULT_TIER_RULE",
    "CacheConfig",
    "ClassifierConfig",
    "Config",
    "Expectation",
    "Provider",
    "RecordFile",
    "RecordsConfig",
    "RoutingTest",
    "compile_document",
    "load_config",
]


_BYTES_PER_MB = 1_000_000


def load_config(file: Path) -> Config:
    """Read, check and resolve a policy file. Raises ConfigError, which has every fault that was found."""
    document = read_document(file)
    return compile_document(document, validate(document))


def compile_document(document: Document, written: WrittenPolicy) -> Config:
    """Raises ConfigError."""
    names = Names(document, written)
    providers = compile_providers(names)
    policy = _compile_policy(names, providers)
    spoken = {endpoint for model in policy.models.values() for endpoint in model.endpoints}
    tests = compile_tests(names, spoken)
    check_rank(names)
    check_something_can_be_asked(names)
    names.raise_if_faulty()
    HoleFinder(names, policy).find()
    names.raise_if_faulty()
    return Config(
        file=document.file,
        policy=replace(policy, hash=hash_meaning(policy, written)),
        classifier=_compile_classifier(written, document.file),
        providers=providers,
        cache=CacheConfig(
            written.cache.entries,
            across_tenants=written.cache.across_tenants,
            near_duplicates=written.cache.near_duplicates,
        ),
        tests=tests,
        shadow=tuple(document.file.parent / name for name in written.shadow),
        headers=compile_read_headers(names),
        records=_compile_records(written, document.file),
    )


def _compile_policy(names: Names, providers: dict[str, Provider]) -> Policy:
    """Without its hash."""
    written = names.written
    models = compile_models(names, providers)
    fallbacks = compile_fallbacks(names, models)
    rules, virtual_models = compile_rules(names)
    requirements = compile_requirements(names)
    return Policy(
        models=models,
        virtual_models=virtual_models,
        fallbacks=fallbacks,
        tier_rule=compile_tier_rule(names),
        plans=build_plans(models.values(), fallbacks, _compile_rank(written)),
        hash="",
        reader=compile_reader(names, models.values()),
        search=compile_search(names),
        requirements=requirements,
        rules=rules,
        windows=find_windows(requirements, rules, virtual_models.values()),
        examples=compile_examples(names),
        conversation_turns=written.conversation.turns,
        callers_may=CallersMay(
            name_models="name_models" in written.callers_may,
            set_tier="set_tier" in written.callers_may,
            set_max_cost="set_max_cost" in written.callers_may,
        ),
        stream_usage=written.stream_usage,
    )


def _compile_rank(written: WrittenPolicy) -> Rank:
    rank = written.rank
    return Rank(rank.cost, rank.latency, rank.quality) if isinstance(rank, WrittenRank) else Rank()


def _compile_records(written: WrittenPolicy, file: Path) -> RecordsConfig:
    to = written.records.to
    if isinstance(to, WrittenRecordFile):
        target = RecordFile(file.parent / to.file, to.max_mb * _BYTES_PER_MB, to.keep)
        return RecordsConfig(target, written.records.prompts)
    return RecordsConfig(cast("Literal['stdout', 'otlp', 'none']", to), written.records.prompts)


def _compile_classifier(written: WrittenPolicy, file: Path) -> ClassifierConfig:
    classifier = written.classifier
    return ClassifierConfig(
        # A relative path is relative to the file that says it, wherever the server is started.
        model_folder=file.parent / classifier.model if classifier.model else None,
        deadline_seconds=classifier.deadline_ms / 1000,
        threads=classifier.threads,
        queue=classifier.queue,
    )
