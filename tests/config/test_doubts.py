"""What is said of a policy that loads, and is hardly meant as it is written."""

from datetime import date
from pathlib import Path

import pytest

from sidecar.config.findings import check_policy

TODAY = date(2026, 11, 28)

SOUND = """\
providers:
  acme: {url: https://api.example.com/v1, region: eu}
  claude: {url: https://api.example.org/v1, api: anthropic, region: eu}
models:
  small: {provider: acme, tier: simple, price: {input: 1, output: 2}, context: 1000}
  large: {provider: acme, tier: complex, price: {input: 3, output: 4}, context: 1000}
  c: {provider: claude, tier: complex, price: {input: 3, output: 4}, context: 1000}
  c-us: {provider: claude, tier: complex, price: {input: 3, output: 4}, context: 1000, region: us}
virtual_models: {auto: {}, own: {rules: [{name: own-rule, when: {images: true}, tier: complex}]}}
fallback: [large, c]
signals: {headers: {plan: x-plan}, keywords: {incident: [outage], legal: [lawsuit]}}
requirements:
  - {name: stays, when: {personal_data: any}, require: {regions: eu}}
rules:
  - {name: streams, when: {stream: true}, tier: simple}
  - {name: pictures, when: {images: true}, max_tier: complex}
  - {name: chat-only, when: {endpoint: chat/completions, turns: {max: 1}}, pin: small}
tests: [{prompt: hi, expect: {tier: simple}}]
"""
BESIDE_SMALL = "  beside: {provider: acme, tier: simple, price: {input: 1, output: 3}, context: 1000}\n"


def check(folder: Path, text: str) -> list[str]:
    """`id line: message` of each finding."""
    file = folder / "router.yaml"
    file.write_text(text)
    return [f"{finding.id} {finding.line}: {finding.message}" for finding in check_policy(file, TODAY)]


def test_nothing_is_said_of_a_policy_that_is_as_it_should_be(tmp_path: Path) -> None:
    assert check(tmp_path, SOUND) == []


@pytest.mark.parametrize(
    ("old", "new", "finding"),
    [
        (
            "output: 2}, context",
            "output: 2}, deprecated: 2026-12-28, context",
            "model-deprecated 5: models.small.deprecated: small gets no requests from 2026-12-28 on, in 30 days",
        ),
        (
            "output: 2}, context",
            "output: 2}, deprecated: 2026-11-28, context",
            "model-deprecated 5: models.small.deprecated: small gets no requests any more, since 2026-11-28",
        ),
        (
            "fallback: [large, c]",
            "fallback: [small, c]",
            "fallback-weak 10: fallback[0]: small is simple, and gets hard prompts too when nothing is known of them",
        ),
        (
            "fallback: [large, c]",
            "fallback: [large, c-us]",
            "fallback-forbidden 10: fallback[1]: c-us runs in us, allowed: eu, by the requirement stays",
        ),
        (
            "legal: [lawsuit]",
            "legal: [lawsuit, Outage]",
            "keyword-repeated 11: signals.keywords.legal[1]: 'outage' is in incident too",
        ),
        (
            "legal: [lawsuit]",
            "legal: [lawsuit, LAWSUIT]",
            "keyword-repeated 11: signals.keywords.legal[1]: 'lawsuit' is there twice",
        ),
        (
            "x-plan",
            "Authorization",
            "header-secret 11: signals.headers.plan: authorization holds a secret, and every decision record",
        ),
        (
            "when: {images: true}, max_tier: complex",
            "when: {not: {personal_data: none}}, require: {regions: eu}",
            "requirement-in-rule 16: rules[1].require: pictures protects personal data only if no rule",
        ),
        (
            "when: {personal_data: any}, require",
            "when: {any: [{personal_data: any}, {keywords: legal}]}, require",
            "requirement-on-last-turn 13: requirements[0].when: stays holds only for requests whose last turn has",
        ),
        (
            "require: {regions: eu}",
            "require: {regions: [eu, euu]}",
            "region-unknown 13: requirements[0].require.regions[1]: no model runs in 'euu' (did you mean eu?)",
        ),
        (
            "{endpoint: chat/completions, turns: {max: 1}}, pin: small",
            "{turns: {max: 1}}, pin: small",
            "plan-may-be-empty 17: rules[2].pin: chat-only has no model for requests of the anthropic API",
        ),
        (
            "when: {images: true}, tier: complex",
            "when: {images: true}, models: [c]",
            "plan-may-be-empty 9: virtual_models.own.rules[0].models: own-rule has no model for requests",
        ),
        (
            "tests: ",
            "classifier: {model: ./none}\ntests: ",
            "model-folder-missing 18: classifier.model: there is no folder",
        ),
        (
            "tests: ",
            "classifier: {model: .}\ntests: ",
            "model-folder-unreadable 18: classifier.model: ",
        ),
        (
            "tests: ",
            "intents: {chat: simple, mathh: complex}\ntests: ",
            "intent-unknown 18: intents.mathh: the classifier knows no intent 'mathh' (did you mean math?)",
        ),
        (
            "tests: [{prompt: hi, expect: {tier: simple}}]\n",
            "",
            "untested 14: rules: no test says what they are meant to do",
        ),
    ],
)
def test_a_doubt_is_told_with_its_place(tmp_path: Path, old: str, new: str, finding: str) -> None:
    assert old in SOUND

    (told,) = check(tmp_path, SOUND.replace(old, new))

    assert told.startswith(finding)


@pytest.mark.parametrize(
    ("extra", "is_told"),
    [
        ("callers_may: []\n", True),
        ("", False),
        ("callers_may: set_tier\nrank: {cost: 1}\n", True),
    ],
)
def test_a_model_that_always_comes_second_is_told_where_callers_cannot_ask_for_it(
    tmp_path: Path, extra: str, is_told: bool
) -> None:
    text = SOUND.replace("  large:", f"{BESIDE_SMALL}  large:")
    message = (
        "model-never-first 6: models.beside: beside only ever stands in: small comes before it and can do as much"
    )

    assert check(tmp_path, text + extra) == ([message] if is_told else [])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("output: 3}, context: 1000", "output: 3}, context: 1001"),
        ("output: 3}", "output: 1}"),
        ("output: 3}", "output: 3}, region: us"),
        ("context: 1000}\n  beside", "context: 1000, unsupported: top_p}\n  beside"),
        ("context: 1000}\n  beside", "context: 1000, capabilities: [tools]}\n  beside"),
        ("context: 1000}\n  beside", "context: 1000, deprecated: 2030-01-01}\n  beside"),
        ("pin: small", "pin: beside"),
        ("pin: small", "split: {by: user, arms: {a: {share: 0.5}, b: {share: 0.5, models: beside}}}"),
        ("{auto: {},", "{auto: {}, other: {models: beside},"),
    ],
)
def test_a_model_that_may_come_first_is_not(tmp_path: Path, old: str, new: str) -> None:
    text = SOUND.replace("  large:", f"{BESIDE_SMALL}  large:") + "callers_may: []\n"
    assert old in text

    assert not any("never-first" in finding for finding in check(tmp_path, text.replace(old, new)))


def test_a_policy_without_rules_needs_no_tests(tmp_path: Path) -> None:
    lines = SOUND.splitlines(keepends=True)

    assert check(tmp_path, "".join(lines[:11])) == []


def test_all_errors_of_form_are_told_at_once_as_they_stand_in_the_file(tmp_path: Path) -> None:
    text = SOUND
    for old, new in (
        ("tier: simple, price", "teir: simple, price"),
        ("context: 1000, region", "context: 0, region"),
        ("stream: true", "streams: true"),
        ("turns: {max: 1}", "turns: 1"),
    ):
        text = text.replace(old, new)

    assert [finding.split(": expected")[0].split(" (")[0] for finding in check(tmp_path, text)] == [
        "unknown-key 5: models.small.teir: unknown key",
        "wrong-kind 8: models.c-us.context",
        "unknown-key 15: rules[0].when.streams: unknown key",
        "wrong-kind 17: rules[2].when.turns",
    ]


def test_all_errors_of_meaning_are_told_at_once(tmp_path: Path) -> None:
    text = SOUND
    for old, new in (
        ("provider: acme, tier: simple", "provider: acne, tier: simple"),
        ("fallback: [large", "fallback: [lrge"),
        ("pin: small", "pin: smal"),
        ("expect: {tier: simple}", "expect: {rule: streamed}"),
    ):
        text = text.replace(old, new)

    assert check(tmp_path, text) == [
        "unknown-name 5: models.small.provider: no provider is named 'acne' (did you mean acme?)",
        "unknown-name 10: fallback[0]: no model is named 'lrge' (did you mean large?)",
        "unknown-name 17: rules[2].pin: no model is named 'smal' (did you mean small?)",
        "unknown-name 18: tests[0].expect.rule: no rule is named 'streamed' (did you mean streams?)",
    ]


def test_a_shadow_has_to_load(tmp_path: Path) -> None:
    (tmp_path / "next.yaml").write_text("rules: []")

    findings = check(tmp_path, SOUND + "shadow: [next.yaml, gone.yaml, router.yaml]\n")

    assert findings[0] == "key-missing 1: 'providers' is missing"
    assert findings[-1] == "file-unreadable 0: No such file or directory"


def test_a_finding_says_how_to_mend_it(tmp_path: Path) -> None:
    file = tmp_path / "router.yaml"
    file.write_text(SOUND.replace("tier: simple, price", "teir: simple, price"))

    (finding,) = check_policy(file, TODAY)

    assert (finding.fix, finding.reason) == ("write `tier`", "A key that nothing reads would silently not hold.")


@pytest.mark.parametrize(
    ("extra", "told"),
    [
        ("", []),
        (
            "  outage: complex\n",
            ["intent-unknown 23: intents.outage: the classifier knows no intent 'outage'"],
        ),
    ],
)
def test_the_intents_of_a_model_of_ones_own_are_those_of_its_folder(
    tmp_path: Path, extra: str, told: list[str]
) -> None:
    (tmp_path / "ours").mkdir()
    (tmp_path / "ours" / "config.json").write_text('{"id2label": {"0": "billing", "1": "refund"}}')
    text = SOUND.replace("when: {stream: true}", "when: {intent: [refund, billing, own]}")
    intents = "classifier: {model: ours}\nintents:\n  math: complex\n  own: {examples: [one, two]}\n" + extra

    assert check(tmp_path, text + intents) == told


@pytest.mark.parametrize(
    ("card", "told"),
    [
        (None, "No such file or directory"),
        ("", "expected JSON"),
        ("[1]", 'expected JSON with "id2label"'),
        ('{"id2label": ["a"]}', "expected JSON"),
        ('{"id2label": {"0": "a", "2": "b"}}', "KeyError(1)"),
        ("[" * 100_000, "expected JSON"),
        ("\N{LATIN SMALL LETTER E WITH ACUTE}", "expected JSON"),
    ],
)
def test_a_model_folder_that_says_no_labels_is_told_once_and_no_intent_is_judged(
    tmp_path: Path, card: str | None, told: str
) -> None:
    (tmp_path / "ours").mkdir()
    if card is not None:
        (tmp_path / "ours" / "config.json").write_bytes(card.encode("latin-1"))
    text = SOUND.replace("when: {stream: true}", "when: {intent: anything}")

    (finding,) = check(tmp_path, text + "classifier: {model: ours}\nintents: {anything: simple}\n")

    assert finding.startswith(f"model-folder-unreadable 19: classifier.model: {tmp_path}/ours/config.json: ")
    assert told in finding
