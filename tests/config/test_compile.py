"""From a sound policy file to the values that run."""

import itertools
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.config.compile import (
    DEFAULT_DIFFICULTY,
    DEFAULT_INTENT_TIERS,
    DEFAULT_MIN_CONFIDENCE,
    ClassifierConfig,
    Config,
    load_config,
)
from sidecar.config.document import ConfigError
from sidecar.routing.api import Api, Endpoint
from sidecar.routing.policy import Model, Price
from sidecar.routing.tier import Tier
from sidecar.routing.tier_rule import DifficultyThresholds, TierRule
from tests.fakes.properties import examples

ROOT = Path(__file__).parents[2]

MINIMAL = """\
providers: {acme: {url: https://api.example.com/v1}}
models: {small: {provider: acme, tier: simple, price: {input: 1, output: 2}, context: 1000}}
virtual_models: {auto: {}}
fallback: small
"""

EVERY_KEY = """\
providers:
  acme: {url: "http://127.0.0.1:8000", api: openai, endpoints: [chat/completions, responses], api_key_file: /run/key}
  claude: {url: https://api.example.org/v1, api: anthropic, endpoints: messages}
models:
  small: {provider: acme, id: small-2, cluster: acme-s, tier: simple, price: {input: 0.1, output: 0}, context: 1000}
  large: {provider: claude, tier: reasoning, price: {input: 1_0, output: 1.0e+2}, context: 2_000, unsupported: top_k}
virtual_models: {auto: {}, cheap/auto: {}}
fallback: [small, large]
intents: {chat: moderate, refund: complex}
difficulty: {moderate: 0.1, complex: 0.2, reasoning: 0.3}
min_confidence: 0.25
classifier: {model: ./own, deadline_ms: 25, threads: 3, queue: 9, cache_entries: 0}
"""


def load(folder: Path, text: str) -> Config:
    """What a file with that text says."""
    file = folder / "policy.yaml"
    file.write_text(text, "utf-8")
    return load_config(file)


def test_what_is_left_out_has_a_default(tmp_path: Path) -> None:
    config = load(tmp_path, MINIMAL)

    assert config.policy.models["small"] == Model(
        name="small",
        id="small",
        cluster="small",
        provider="acme",
        endpoints=frozenset({Endpoint.CHAT_COMPLETIONS, Endpoint.COMPLETIONS, Endpoint.RESPONSES}),
        tier=Tier.SIMPLE,
        context=1000,
        price=Price(1.0, 2.0),
    )
    assert config.policy.tier_rule == TierRule(
        difficulty=DEFAULT_DIFFICULTY,
        min_confidence=DEFAULT_MIN_CONFIDENCE,
        least_tiers={},
        usual_tiers=DEFAULT_INTENT_TIERS,
    )
    assert config.classifier == ClassifierConfig(
        model_folder=None, deadline_seconds=0.04, threads=None, queue=64, cache_entries=4096
    )


def test_every_key_is_read(tmp_path: Path) -> None:
    config = load(tmp_path, EVERY_KEY)
    policy = config.policy
    small, large = policy.models.values()

    assert (small.id, small.cluster, small.price) == ("small-2", "acme-s", Price(0.1, 0.0))
    assert small.endpoints == {Endpoint.CHAT_COMPLETIONS, Endpoint.RESPONSES}
    assert (large.id, large.tier, large.price, large.context) == ("large", Tier.REASONING, Price(10.0, 100.0), 2000)
    assert large.endpoints == {Endpoint.MESSAGES}
    assert small.unsupported == frozenset()
    assert large.unsupported == {"top_k"}
    assert policy.virtual_models == {"auto", "cheap/auto"}
    assert policy.fallbacks == {
        Endpoint.CHAT_COMPLETIONS: small,
        Endpoint.RESPONSES: small,
        Endpoint.MESSAGES: large,
    }
    assert policy.tier_rule == TierRule(
        difficulty=DifficultyThresholds(0.1, 0.2, 0.3),
        min_confidence=0.25,
        least_tiers={"chat": Tier.MODERATE, "refund": Tier.COMPLEX},
        usual_tiers=DEFAULT_INTENT_TIERS,
    )
    assert config.classifier == ClassifierConfig(
        model_folder=tmp_path / "own", deadline_seconds=0.025, threads=3, queue=9, cache_entries=0
    )


def test_thresholds_that_are_left_out_keep_their_defaults(tmp_path: Path) -> None:
    rule = load(tmp_path, MINIMAL + "difficulty: {moderate: 0.1}").policy.tier_rule

    assert rule.difficulty == replace(DEFAULT_DIFFICULTY, moderate=0.1)


def test_the_first_fallback_that_has_an_endpoint_answers_there(tmp_path: Path) -> None:
    policy = load(
        tmp_path,
        """
        providers:
          chat: {url: https://a.example.com/v1, endpoints: chat/completions}
          all: {url: https://b.example.com/v1}
        models:
          a: {provider: chat, tier: simple, price: {input: 1, output: 2}, context: 1000}
          b: {provider: all, tier: complex, price: {input: 1, output: 2}, context: 1000}
        virtual_models: {auto: {}}
        fallback: [a, b]
        """,
    ).policy

    assert {endpoint: model.name for endpoint, model in policy.fallbacks.items()} == {
        Endpoint.CHAT_COMPLETIONS: "a",
        Endpoint.COMPLETIONS: "b",
        Endpoint.RESPONSES: "b",
    }


@pytest.mark.parametrize(
    ("example", "apis"), [("minimal.yaml", {Api.OPENAI}), ("router.yaml", {Api.OPENAI, Api.ANTHROPIC})]
)
def test_the_examples_load(example: str, apis: set[Api]) -> None:
    policy = load_config(ROOT / "examples" / example).policy

    assert {endpoint.api for endpoint in policy.fallbacks} == apis
    assert set(Tier) == {model.tier for model in policy.models.values()}
    for (endpoint, _), plan in policy.plans.items():
        assert bool(plan) == (endpoint.api in apis)


def test_every_example_is_tested() -> None:
    assert {file.name for file in (ROOT / "examples").iterdir()} == {"minimal.yaml", "router.yaml"}


def test_the_minimal_example_has_fifteen_lines_at_most() -> None:
    lines = (ROOT / "examples" / "minimal.yaml").read_text().splitlines()

    assert len([line for line in lines if line.strip() and not line.lstrip().startswith("#")]) <= 15


def _reorderings(text: str) -> Iterable[str]:
    lines = text.splitlines()
    blocks = ["\n".join(lines[start:end]) for start, end in itertools.pairwise((0, 3, 6, 7, 8, 9, 10, 11, 12))]
    yield "\n".join(reversed(blocks))
    yield "\n".join(blocks[3:] + blocks[:3])


@pytest.mark.parametrize(
    "text",
    [
        *_reorderings(EVERY_KEY),
        EVERY_KEY.replace("\n", "  # a comment\n").replace(": {", ":   {"),
        EVERY_KEY.replace("0.1,", "1.0e-1,").replace("2_000", "2000").replace("small-2", '"small-2"'),
        EVERY_KEY.replace(
            "tier: reasoning, price: {input: 1_0, output: 1.0e+2}",
            "price: {output: 100, input: 10.0}, tier: reasoning",
        ),
        EVERY_KEY.replace("{auto: {}, cheap/auto: {}}", "{cheap/auto: {}, auto: {}}"),
        EVERY_KEY.replace("[small, large]", "[large, small]"),
        EVERY_KEY.replace("{chat: moderate, refund: complex}", "\n  refund: complex\n  chat: moderate"),
        EVERY_KEY.replace("[chat/completions, responses]", "[responses, chat/completions]"),
    ],
)
def test_the_hash_is_that_of_the_meaning(tmp_path: Path, text: str) -> None:
    assert load(tmp_path, text) == load(tmp_path, EVERY_KEY)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("small-2", "small-3"),
        ("acme-s", "acme-s-eu"),
        ("tier: simple", "tier: moderate"),
        ("{input: 0.1,", "{input: 0.2,"),
        ("context: 1000", "context: 1001"),
        ("[chat/completions, responses]", "[chat/completions]"),
        ("cheap/auto: {}", "cheap: {}"),
        ("chat: moderate", "chat: complex"),
        ("refund: complex", "refund: simple"),
        # the usual tier, written down, is a least one
        ("refund: complex", "refund: complex, math: reasoning"),
        ("moderate: 0.1", "moderate: 0.11"),
        ("min_confidence: 0.25", "min_confidence: 0.3"),
        ("  small:", "  little:"),
    ],
)
def test_another_meaning_has_another_hash(tmp_path: Path, old: str, new: str) -> None:
    text = EVERY_KEY.replace(old, new).replace("[small,", "[little," if "little" in new else "[small,")
    assert text != EVERY_KEY

    assert load(tmp_path, text).policy.hash != load(tmp_path, EVERY_KEY).policy.hash


def test_the_order_of_models_in_a_tier_is_meant(tmp_path: Path) -> None:
    model = "{provider: acme, tier: simple, price: {input: 1, output: 2}, context: 1000}"
    one_way, other_way = (
        load(tmp_path, MINIMAL.replace(MINIMAL.splitlines()[1], f"models: {{{models}}}")).policy
        for models in (f"small: {model}, b: {model}", f"b: {model}, small: {model}")
    )

    assert one_way.hash != other_way.hash


def test_the_hash_fits_a_header() -> None:
    assert load_config(ROOT / "examples" / "minimal.yaml").policy.hash.isalnum()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff", "not UTF-8: invalid start byte at byte 0"),
        (b"a: \x00", "not YAML: "),
        (b"\t", "not YAML: "),
        (b"a: *b", "not YAML: "),
        (b"<<: {a: 1}", "unknown key"),
    ],
)
def test_a_file_that_no_yaml_parser_reads_is_a_config_error(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "policy.yaml"
    file.write_bytes(content)

    with pytest.raises(ConfigError, match=message):
        load_config(file)


@pytest.mark.parametrize("name", ["missing.yaml", "."])
def test_a_file_that_cannot_be_read_is_a_config_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=str(tmp_path)):
        load_config(tmp_path / name)


_LINES = st.sampled_from(
    [*EVERY_KEY.splitlines(), "  x: 1", "- a", "a: &a [*a]", "b: .inf", "!!int x", "? y", "c: 12:30"]
)


@given(st.lists(_LINES, max_size=9).map("\n".join) | st.text("ab:-[]{}&*!|>?\"' \n#1.", max_size=60))
@examples(300)
def test_any_text_is_a_policy_or_a_config_error(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    file = tmp_path_factory.getbasetemp() / "any.yaml"
    file = Path("/dev/shm") / "llm-sidecar-any-policy.yaml"
    file.write_text(text, "utf-8")
    try:
        load_config(file)
    except ConfigError as error:
        fault = str(error)
    else:
        return
    assert fault.startswith(f"{file}:")
