"""From a sound policy file to the values that run."""

import itertools
import os
import re
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.config.compile import (
    DEFAULT_DIFFICULTY,
    DEFAULT_INTENT_TIERS,
    DEFAULT_MIN_CONFIDENCE,
    CacheConfig,
    ClassifierConfig,
    Config,
    Expectation,
    Provider,
    RecordFile,
    RecordsConfig,
    RoutingTest,
    load_config,
)
from sidecar.config.document import ConfigError
from sidecar.routing.api import Api, Endpoint
from sidecar.routing.conditions import AllOf, FlagIs, HeaderIs, Not
from sidecar.routing.phrases import PatternList, PhraseList
from sidecar.routing.policy import KNOWN_CAPABILITIES, CallersMay, ExampleIntent, Model, Price
from sidecar.routing.reason import Reason
from sidecar.routing.rules import (
    Action,
    Arm,
    Refusal,
    Requirement,
    Rule,
    Split,
    StandingRequirement,
    TierBounds,
    VirtualModel,
)
from sidecar.routing.signals import SignalReader
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

EVERY_KEY = (ROOT / "tests" / "config" / "every-key.yaml").read_text()


def load(folder: Path, text: str) -> Config:
    """What a file with that text says."""
    file = folder / "policy.yaml"
    file.write_text(text, "utf-8")
    return load_config(file)


def test_what_is_left_out_has_a_default(tmp_path: Path) -> None:
    config = load(tmp_path, MINIMAL)
    policy = config.policy

    assert policy.models["small"] == Model(
        name="small",
        id="small",
        cluster="small",
        provider="acme",
        endpoints=frozenset({Endpoint.CHAT_COMPLETIONS, Endpoint.COMPLETIONS, Endpoint.RESPONSES}),
        tier=Tier.SIMPLE,
        context=1000,
        price=Price(1.0, 2.0),
    )
    assert policy.tier_rule == TierRule(
        difficulty=DEFAULT_DIFFICULTY,
        min_confidence=DEFAULT_MIN_CONFIDENCE,
        bounds={},
        usual_tiers=DEFAULT_INTENT_TIERS,
    )
    assert policy.virtual_models == {"auto": VirtualModel("auto")}
    assert policy.reader == SignalReader()
    assert (policy.rules, policy.requirements, policy.examples) == ((), (), ())
    assert (policy.conversation_turns, policy.callers_may) == (5, CallersMay())
    assert config.classifier == ClassifierConfig(model_folder=None, deadline_seconds=0.04, threads=None, queue=64)
    assert config.cache == CacheConfig(entries=4096, across_tenants=False, near_duplicates=False)
    assert (config.tests, config.shadow) == ((), ())
    assert (config.records, policy.stream_usage) == (RecordsConfig("stdout", prompts=0.0), False)


def test_the_defaults_of_the_schema_are_those_of_the_router(tmp_path: Path) -> None:
    """What is left out and what is written out as the documentation says are the same policy."""
    written_out = MINIMAL + (
        "signals: {headers: {}, keywords: {}, patterns: {}}\nrequirements: []\nrules: []\nintents: {}\n"
        "difficulty: {moderate: 0.125, complex: 0.5, reasoning: 0.8}\nmin_confidence: 0.4\nrank: listed\n"
        "conversation: {turns: 5}\ncallers_may: name_models\nclassifier: {deadline_ms: 40, queue: 64}\n"
        "cache: {entries: 4096, across_tenants: false, near_duplicates: false}\n"
        "records: {to: stdout, prompts: 0}\nstream_usage: false\nshadow: []\ntests: []\n"
    )

    assert load(tmp_path, written_out) == load(tmp_path, MINIMAL)


def test_every_key_of_a_model_and_its_provider_is_read(tmp_path: Path) -> None:
    config = load(tmp_path, EVERY_KEY)
    small, large = config.policy.models.values()

    assert small == Model(
        name="small",
        id="small-2",
        cluster="acme-s",
        provider="acme",
        endpoints=frozenset({Endpoint.CHAT_COMPLETIONS, Endpoint.RESPONSES}),
        tier=Tier.SIMPLE,
        context=1000,
        price=Price(0.1, 0.0),
        capabilities=frozenset({"tools", "hipaa"}),
        region="eu",
        tenants=frozenset({"globex"}),
        deprecated=date(2027, 1, 31),
        quality={"default": 0.5},
        latency_seconds=0.25,
    )
    assert (large.id, large.cluster, large.region) == ("large", "large", "us")
    assert (large.tier, large.context) == (Tier.REASONING, 2000)
    assert large.price == Price(10.0, 100.0, cached_input=1.0, cache_write=12.5)
    assert large.endpoints == {Endpoint.MESSAGES}
    assert large.unsupported == {"top_k"}
    assert large.capabilities == KNOWN_CAPABILITIES
    assert config.providers["acme"] == Provider(
        name="acme",
        url="http://127.0.0.1:8000",
        api=Api.OPENAI,
        endpoints=small.endpoints,
        api_key_file="/run/key",
        region="eu",
    )


def test_every_key_of_a_rule_is_read(tmp_path: Path) -> None:
    policy = load(tmp_path, EVERY_KEY).policy
    too_long, streams, experiment = policy.rules
    every = Requirement(
        capabilities=frozenset({"tools"}),
        providers=frozenset({"acme", "claude"}),
        not_providers=frozenset({"nobody"}),
    )

    assert too_long.action == Action(reject=Refusal(413, "too long"))
    assert streams == Rule(
        "streams",
        AllOf((HeaderIs("plan", frozenset({"free", "trial"})), FlagIs("stream", value=True))),
        Action(bounds=TierBounds(most=Tier.COMPLEX), requirement=every),
    )
    assert experiment == Rule(
        "try",
        Not(HeaderIs("plan", None)),
        Action(
            split=Split(
                "tenant",
                (
                    Arm("control", 0.75, Action(bounds=TierBounds(least=Tier.MODERATE))),
                    Arm("new", 0.25, Action(pin="large")),
                ),
            )
        ),
    )
    assert policy.requirements == (
        StandingRequirement("no-test-region", AllOf(()), Requirement(regions=frozenset({"eu", "us"}))),
    )
    (cheap,) = (virtual for name, virtual in policy.virtual_models.items() if name != "auto")
    assert (cheap.name, cheap.action) == ("cheap/auto", Action(bounds=TierBounds(most=Tier.MODERATE)))
    assert [(rule.name, rule.action) for rule in cheap.rules] == [("short", Action(tier=Tier.SIMPLE))]


def test_every_other_key_is_read(tmp_path: Path) -> None:
    config = load(tmp_path, EVERY_KEY)
    policy = config.policy
    small, large = policy.models.values()

    assert policy.fallbacks == {
        Endpoint.CHAT_COMPLETIONS: small,
        Endpoint.RESPONSES: small,
        Endpoint.MESSAGES: large,
    }
    assert policy.reader == SignalReader(
        headers={"tenant": "x-tenant-id", "plan": "x-plan"},
        keywords={"incident": PhraseList(("outage", "data loss"))},
        patterns={"ticket": PatternList(("[A-Z]{2,6}-[0-9]+",))},
        parameters=frozenset({"top_k"}),
    )
    assert policy.tier_rule == TierRule(
        difficulty=DifficultyThresholds(0.1, 0.2, 0.3),
        min_confidence=0.25,
        bounds={
            "chat": TierBounds(Tier.MODERATE),
            "math": TierBounds(most=Tier.COMPLEX),
            "refund": TierBounds(Tier.SIMPLE, Tier.SIMPLE),
        },
        usual_tiers={**DEFAULT_INTENT_TIERS, "chat": Tier.MODERATE, "math": Tier.COMPLEX, "refund": Tier.SIMPLE},
    )
    assert policy.examples == (
        ExampleIntent("refund", ("I want my money back", "give me back what I paid"), threshold=0.7),
    )
    assert policy.conversation_turns == 3
    assert policy.callers_may == CallersMay(name_models=False, set_tier=True, set_max_cost=True)
    assert config.classifier == ClassifierConfig(tmp_path / "own", deadline_seconds=0.025, threads=3, queue=9)
    assert config.cache == CacheConfig(entries=0, across_tenants=True, near_duplicates=True)
    assert config.shadow == (tmp_path / "next.yaml",)
    assert config.records == RecordsConfig(RecordFile(tmp_path / "requests.jsonl", 20_000_000, keep=2), prompts=0.01)
    assert policy.stream_usage


def test_tests_are_requests_as_a_client_would_send_them(tmp_path: Path) -> None:
    line = EVERY_KEY.splitlines().index("tests:") + 2
    prompt = {"model": "auto", "messages": [{"role": "user", "content": "What is  new?"}]}

    assert load(tmp_path, EVERY_KEY).tests == (
        RoutingTest(
            name="What is new?",
            line=line,
            request=prompt,
            expect=Expectation(tier=(Tier.SIMPLE,), model=("small",)),
            path="/v1/chat/completions",
            headers={"x-plan": "free"},
            at=datetime(2026, 3, 1, 10, tzinfo=UTC),
        ),
        RoutingTest(
            name="whole",
            line=line + 1,
            request={"model": "auto", "max_tokens": 5},
            expect=Expectation(
                not_model=("small",),
                reason=(Reason.RULE,),
                rule=("try", "short"),
                intent=("chat",),
                arm=("new",),
                status=(200,),
            ),
            path="/v1/messages",
        ),
    )


@pytest.mark.parametrize(
    ("endpoint", "body"),
    [
        ("chat/completions", {"messages": [{"role": "user", "content": "hi"}]}),
        ("completions", {"prompt": "hi"}),
        ("responses", {"input": "hi"}),
    ],
)
def test_a_prompt_is_sent_to_the_first_endpoint_that_is_spoken(
    tmp_path: Path, endpoint: str, body: dict[str, object]
) -> None:
    text = MINIMAL.replace("/v1}", f"/v1, endpoints: {endpoint}}}") + "tests: [{prompt: hi, expect: {tier: simple}}]"

    (test,) = load(tmp_path, text).tests

    assert (test.path, test.request) == (f"/v1/{endpoint}", {"model": "auto", **body})


def test_models_are_ranked_as_the_policy_weighs_them(tmp_path: Path) -> None:
    small = "provider: acme, tier: simple, price: {input: 1, output: 2}, context: 1000"
    dear = "provider: acme, tier: simple, price: {input: 9, output: 9}, context: 1000"
    models = f"dear: {{{dear}, quality: {{default: 0.5, math: 1}}}}, small: {{{small}, quality: {{default: 0.5}}}}"
    text = MINIMAL.replace(MINIMAL.splitlines()[1], f"models: {{{models}}}")
    policy = load(tmp_path, text + "rank: {cost: 1, quality: 5}").policy

    def first(intent: str) -> str:
        return policy.models_by_preference(Endpoint.RESPONSES, Tier.SIMPLE, intent)[0].name

    assert [first(""), first("chat"), first("math")] == ["small", "small", "dear"]


@pytest.mark.parametrize("to", ["stdout", "otlp", "none"])
def test_records_go_where_the_policy_says(tmp_path: Path, to: str) -> None:
    assert load(tmp_path, f"{MINIMAL}records: {{to: {to}}}\n").records.to == to


def test_a_file_for_records_has_a_size_and_a_number(tmp_path: Path) -> None:
    config = load(tmp_path, f"{MINIMAL}records: {{to: {{file: /var/log/r.jsonl}}}}\n")

    assert config.records.to == RecordFile(Path("/var/log/r.jsonl"), 100_000_000, keep=5)


def test_thresholds_that_are_left_out_keep_their_defaults(tmp_path: Path) -> None:
    rule = load(tmp_path, MINIMAL + "difficulty: {moderate: 0.1}").policy.tier_rule

    assert rule.difficulty == replace(DEFAULT_DIFFICULTY, moderate=0.1)


@pytest.mark.parametrize(
    ("setting", "bounds", "usual"),
    [
        ("complex", TierBounds(Tier.COMPLEX), Tier.COMPLEX),
        ("{tier: complex}", TierBounds(Tier.COMPLEX, Tier.COMPLEX), Tier.COMPLEX),
        ("{min_tier: complex}", TierBounds(Tier.COMPLEX), Tier.COMPLEX),
        ("{min_tier: simple, max_tier: complex}", TierBounds(Tier.SIMPLE, Tier.COMPLEX), Tier.SIMPLE),
        # it is moderate by itself
        ("{max_tier: complex}", TierBounds(Tier.SIMPLE, Tier.COMPLEX), Tier.MODERATE),
        ("{max_tier: simple}", TierBounds(Tier.SIMPLE, Tier.SIMPLE), Tier.SIMPLE),
    ],
)
def test_an_intent_has_bounds_and_a_usual_tier(tmp_path: Path, setting: str, bounds: TierBounds, usual: Tier) -> None:
    rule = load(tmp_path, f"{MINIMAL}intents: {{writing: {setting}}}").policy.tier_rule

    assert (rule.bounds, rule.usual_tiers) == ({"writing": bounds}, {**DEFAULT_INTENT_TIERS, "writing": usual})


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
    "rules",
    [
        # whoever asks at an endpoint of one API has a model there
        "[{name: r, when: {endpoint: messages, personal_data: any}, require: {regions: us}}]",
        # a model for some tenants only satisfies what they need
        "[{name: r, require: {capabilities: hipaa}, when: {header: {tenant: globex}, endpoint: responses}}]",
        # without a condition, but with those of a virtual model before it
        "[{name: r, tier: simple}]",
    ],
)
def test_a_requirement_that_some_model_satisfies_loads(tmp_path: Path, rules: str) -> None:
    start, end = EVERY_KEY.index("rules:\n"), EVERY_KEY.index("intents:\n")
    text = f"{EVERY_KEY[:start]}rules: {rules}\n{EVERY_KEY[end : EVERY_KEY.index('tests:')]}"

    assert [rule.name for rule in load(tmp_path, text).policy.rules] == ["r"]


@pytest.mark.parametrize(
    ("value", "text"),
    [("18:00", "18:00"), ("2024-05-06", "2024-05-06"), ("'on'", "on"), ("'5'", "5"), ("~~", "~~"), ("<<", "<<")],
)
def test_what_looks_like_text_is_text(tmp_path: Path, value: str, text: str) -> None:
    model = load(tmp_path, MINIMAL.replace("context:", f"id: {value}, context:")).policy.models["small"]

    assert model.id == text


@pytest.mark.parametrize("key", ["on", "yes", "'5'", "5", "1.5", "12:30"])
def test_a_key_is_text_whatever_it_looks_like(tmp_path: Path, key: str) -> None:
    assert list(load(tmp_path, MINIMAL.replace("auto", key)).policy.virtual_models) == [key.strip("'")]


def test_an_alias_stands_for_what_it_is_an_alias_of(tmp_path: Path) -> None:
    other_model = "}, b: {provider: acme, tier: simple, price: *usual, context: 5}}\nv"
    text = MINIMAL.replace("price: {", "price: &usual {").replace("}}\nv", other_model)
    small, other = load(tmp_path, text).policy.models.values()

    assert small.price == other.price


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (": {", ":   {"),
        ("rules:\n", "rules:  # a comment\n"),
        ("0.1,", "1.0e-1,"),
        ("2_000", "2000"),
        ("small-2", '"small-2"'),
        ("{input: 1_0, output: 1.0e+2, cached_input: 1,", "{cached_input: 1, output: 100, input: 10.0,"),
        ("[small, large]", "[large, small]"),
        ("[chat/completions, responses]", "[responses, chat/completions]"),
        ("[tools, hipaa]", "[hipaa, tools]"),
        ("regions: [eu, us]", "regions: [us, eu]"),
        ("[free, trial]", "[trial, free]"),
        ("stream: true, header: {plan: [free, trial]}", "header: {plan: [free, trial]}, stream: true"),
        ("X-Tenant-Id", "x-tenant-id"),
        ("plan: x-plan}", "plan: X-Plan}"),
        ("{status: 413, message: too long}", "{message: too long, status: 413}"),
        ("unsupported: top_k", "unsupported: [top_k]"),
        ("context: 1000,", "context: 1000, unsupported: [],"),
        ("provider: claude, tier", "provider: claude, id: large, cluster: large, tier"),
        ("[set_tier, set_max_cost]", "[set_max_cost, set_tier]"),
        (
            "{new: {share: 0.25, pin: large}, control: {share: 0.75, min_tier: moderate}}",
            "{control: {min_tier: moderate, share: 0.75}, new: {pin: large, share: 0.25}}",
        ),
        ("  chat: moderate\n  math: {max_tier: complex}\n", "  math: {max_tier: complex}\n  chat: moderate\n"),
        ("header: {plan: any}", 'header: {plan: "any"}'),
    ],
)
def test_the_same_meaning_has_the_same_hash(tmp_path: Path, old: str, new: str) -> None:
    assert old in EVERY_KEY

    assert load(tmp_path, EVERY_KEY.replace(old, new)).policy == load(tmp_path, EVERY_KEY).policy


def test_the_order_of_sections_means_nothing(tmp_path: Path) -> None:
    sections = re.split(r"^(?=\w)", EVERY_KEY, flags=re.MULTILINE)[1:]
    assert len(sections) == 19

    reordered = load(tmp_path, "".join(reversed(sections)))

    assert reordered.policy == load(tmp_path, EVERY_KEY).policy


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("small-2", "small-3"),
        ("acme-s", "acme-s-eu"),
        ("tier: simple, price", "tier: moderate, price"),
        ("{input: 0.1,", "{input: 0.2,"),
        ("context: 1000", "context: 1001"),
        ("[chat/completions, responses]", "[chat/completions]"),
        ("region: us", "region: eu"),
        ("[tools, hipaa]", "[tools]"),
        ("tenants: [globex], ", ""),
        ("2027-01-31", "2027-02-01"),
        ("math: 0.9", "math: 0.95"),
        ("latency_ms: 250", "latency_ms: 251"),
        ("max_tier: moderate, rules", "max_tier: complex, rules"),
        ("turns: {max: 1}", "turns: {max: 2}"),
        ("x-plan}", "x-level}"),
        ("outage, data loss", "outage"),
        ("{2,6}", "{2,7}"),
        ("[eu, us]}}", "[us, eu, asia]}}"),
        ("min: 200000", "min: 200001"),
        ("message: too long", "message: too  long"),
        ("name: too-long", "name: too_long"),
        ("stream: true", "stream: false"),
        ("capabilities: tools, p", "p"),
        ("by: tenant", "by: user"),
        ("pin: large", "models: large"),
        ("chat: moderate", "chat: complex"),
        # the usual tier, written down, is a least one
        ("chat: moderate", "chat: moderate\n  logical_reasoning: reasoning"),
        ("what I paid", "what we paid"),
        ("threshold: 0.7", "threshold: 0.71"),
        ("moderate: 0.1", "moderate: 0.11"),
        ("min_confidence: 0.25", "min_confidence: 0.3"),
        ("quality: 2,", "quality: 3,"),
        ("rank: {cost: 1, quality: 2, latency: 0.5}\n", ""),
        ("turns: 3", "turns: 4"),
        ("[set_tier, set_max_cost]", "[set_tier]"),
    ],
)
def test_another_meaning_has_another_hash(tmp_path: Path, old: str, new: str) -> None:
    assert old in EVERY_KEY

    assert load(tmp_path, EVERY_KEY.replace(old, new)).policy.hash != load(tmp_path, EVERY_KEY).policy.hash


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("deadline_ms: 25", "deadline_ms: 26"),
        ("entries: 0", "entries: 1"),
        ("shadow: next.yaml", "shadow: []"),
        ("stream_usage: true", "stream_usage: false"),
        ("{file: requests.jsonl, max_mb: 20, keep: 2}", "otlp"),
        ("prompts: 0.01", "prompts: 0.02"),
        ("reason: rule", "reason: caller"),
        ("api_key_file: /run/key", "api_key_file: /run/keys"),
    ],
)
def test_what_decides_nothing_does_not_change_the_hash(tmp_path: Path, old: str, new: str) -> None:
    assert old in EVERY_KEY

    changed, config = load(tmp_path, EVERY_KEY.replace(old, new)), load(tmp_path, EVERY_KEY)
    assert changed != config
    assert changed.policy.hash == config.policy.hash


def test_the_order_of_models_and_of_rules_is_meant(tmp_path: Path) -> None:
    model = "{provider: acme, tier: simple, price: {input: 1, output: 2}, context: 1000}"
    small = MINIMAL.splitlines()[1]
    rules = ("{name: a, when: {stream: true}, tier: simple}", "{name: b, when: {images: true}, tier: complex}")
    hashes = {
        load(tmp_path, f"{MINIMAL.replace(small, f'models: {{{two}}}')}rules: [{', '.join(listed)}]").policy.hash
        for two in (f"small: {model}, b: {model}", f"b: {model}, small: {model}")
        for listed in itertools.permutations(rules)
    }

    assert len(hashes) == 4


def test_the_hash_is_the_same_in_every_process() -> None:
    """Sets have another order in each."""
    program = (
        "from pathlib import Path; from sidecar.config.compile import load_config;"
        "print(load_config(Path('tests/config/every-key.yaml')).policy.hash)"
    )
    hashes = {
        subprocess.run(
            [sys.executable, "-c", program],
            check=True,
            capture_output=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
        ).stdout
        for seed in ("1", "2")
    }

    assert len(hashes) == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff", "not UTF-8: invalid start byte at byte 0"),
        (b"a: \x00", "not YAML: "),
        (b"\t", "not YAML: "),
        (b"a: *b", "not YAML: "),
        (b"<<: {a: 1}", "unknown key"),
        (b"[" * 100_000, "nested too deeply"),
        (b"a: " + b"[" * 900 + b"]" * 900, "nested too deeply|expected"),
        (b"a: &a [*a]", "an alias in it stands for itself"),
        (
            b"a: &a [x, x, x, x, x, x, x, x, x, x]\n"
            + b"".join(b"%c: &%c [%s]\n" % (i + 1, i + 1, b", ".join([b"*%c" % i] * 10)) for i in range(97, 104)),
            "more than 250000 values",
        ),
        (b"#" * 1024 * 1025, "larger than 1048576 bytes"),
        (b"min_confidence: " + b"9" * 9999, "expected a number from 0 to 1"),
    ],
)
def test_a_file_that_is_no_policy_is_a_config_error(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "policy.yaml"
    file.write_bytes(content)

    with pytest.raises(ConfigError) as fault:
        load_config(file)

    assert any(word in str(finding) for finding in fault.value.findings for word in message.split("|"))


@pytest.mark.parametrize("name", ["missing.yaml", "."])
def test_a_file_that_cannot_be_read_is_a_config_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=str(tmp_path)):
        load_config(tmp_path / name)


_LINES = st.sampled_from(
    [
        *(line for line in EVERY_KEY.splitlines() if line[:1] != " "),
        *EVERY_KEY.splitlines(),
        *MINIMAL.splitlines(),
        *("  x: 1", "- a", "a: &a [*a]", "b: .inf", "!!int x", "? y", "c: 12:30", "rules:", "  - {name: r}"),
    ]
)


@given(st.lists(_LINES, max_size=12).map("\n".join) | st.text("ab:-[]{}&*!|>?\"' \n#1.", max_size=60))
@examples(300)
def test_any_text_is_a_policy_or_a_config_error(text: str) -> None:
    file = Path("/dev/shm") / "llm-sidecar-any-policy.yaml"
    file.write_text(text, "utf-8")
    try:
        load_config(file)
    except ConfigError as error:
        faults = [str(finding) for finding in error.findings]
    else:
        return
    assert all(fault.startswith(f"{file}:") for fault in faults)
