"""`sidecar test`: expectations that hold, and what is said of those that don't."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from sidecar.config.document import ConfigError
from sidecar.policytools import commands
from sidecar.streams.lines import InputError
from tests.fakes.policy_files import write_policy
from tests.fakes.serving import EXAMPLES

RULES = """
signals: {headers: {plan: x-plan, user: x-user-id}}
rules:
  - {name: night, when: {time: {from: "22:00", to: "06:00"}}, reject: {status: 403, message: Come back tomorrow.}}
  - {name: free, when: {header: {plan: free}}, tier: simple}
  - {name: away, when: {header: {user: any}}, split: {by: user, arms: {a: {share: 1, pin: large}, b: {share: 0}}}}
  - {name: rest, tier: moderate}
"""


def written_tests(*tests: str) -> str:
    return "tests:\n" + "\n".join(f"  - {test}" for test in tests)


def run(folder: Path, capsysbinary: pytest.CaptureFixture[bytes], *tests: str) -> tuple[int, list[dict[str, Any]]]:
    """The exit code, and what is told of each."""
    policy = write_policy(folder, f"{RULES}{written_tests(*tests)}")
    code = commands.run_test(commands.TestOptions(policy, as_json=True))
    return code, json.loads(capsysbinary.readouterr().out)["tests"]


@pytest.mark.parametrize(
    "test",
    [
        "{prompt: hi, at: 2026-03-02T12:00Z, expect: {tier: moderate, model: medium, rule: rest, status: 200}}",
        "{prompt: hi, at: 2026-03-02T12:00Z, expect: {model: [small, medium], tier: [complex, moderate]}}",
        "{prompt: hi, at: 2026-03-02T12:00Z, headers: {X-Plan: free}, expect: {rule: free, model: small}}",
        "{prompt: hi, at: 2026-03-02T12:00Z, headers: {x-user-id: anna}, expect: {arm: a, model: large, rule: away}}",
        "{prompt: hi, at: 2026-03-02T23:00Z, expect: {status: 403, reason: rejected_by_rule, rule: night}}",
        "{prompt: hi, at: 2026-03-02T23:00Z, expect: {not_model: [small, medium, large]}}",
        "{request: {model: small, messages: [{role: user, content: hi}]}, at: 2026-03-02T12:00Z, "
        "expect: {model: small, reason: pinned}}",
        "{request: {model: auto}, expect: {status: 400, reason: invalid_request}}",
        "{request: {}, expect: {status: 400}}",
        "{request: {model: nobody, messages: [{role: user, content: hi}]}, expect: {status: 404}}",
    ],
)
def test_what_is_so_passes(tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes], test: str) -> None:
    code, (told,) = run(tmp_path, capsysbinary, test)

    assert (code, told["passed"], told["differences"]) == (0, True, {})


@pytest.mark.parametrize(
    ("expect", "differences"),
    [
        ("{tier: simple}", {"tier": ("simple", "moderate")}),
        (
            "{tier: [simple, complex], model: small}",
            {"tier": ("simple or complex", "moderate"), "model": ("small", "medium")},
        ),
        ("{not_model: [large, small]}", {"not_model": ("a plan without large and small", "medium, large, small")}),
        ("{reason: pinned}", {"reason": ("pinned", "rule")}),
        ("{rule: free}", {"rule": ("free", "rest")}),
        ("{intent: math}", {"intent": ("math", "none")}),
        ("{arm: a}", {"arm": ("a", "none")}),
        ("{status: [403, 404]}", {"status": ("403 or 404", "200")}),
        ("{status: 200, tier: simple}", {"tier": ("simple", "moderate")}),
    ],
)
def test_what_is_not_so_fails_with_both_sides(
    tmp_path: Path,
    capsysbinary: pytest.CaptureFixture[bytes],
    expect: str,
    differences: dict[str, tuple[str, str]],
) -> None:
    code, (told,) = run(tmp_path, capsysbinary, f"{{prompt: hi, at: 2026-03-02T12:00Z, expect: {expect}}}")

    assert code == 1
    assert {key: (each["expected"], each["got"]) for key, each in told["differences"].items()} == differences
    assert told["why"] == "rule rest; moderate (rule)"


def test_a_rejection_that_was_not_expected_says_what_the_client_is_told(
    tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    _, (told,) = run(
        tmp_path, capsysbinary, "{prompt: hi, at: 2026-03-02T23:00Z, expect: {tier: simple, model: small}}"
    )

    assert told["differences"]["model"] == {"expected": "small", "got": "none"}
    assert told["why"] == "rule night; Come back tomorrow."


SOME = written_tests(
    "{name: it is day, prompt: hi, at: 2026-03-02T12:00Z, expect: {tier: moderate}}",
    '{name: "wrong <&> \\u0007", prompt: hi, at: 2026-03-02T12:00Z, expect: {tier: simple, model: small}}',
)


def test_the_report_for_people_has_a_line_for_each_and_the_differences_below(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    policy = write_policy(
        tmp_path,
        RULES
        + written_tests(
            "{name: good, prompt: hi, expect: {status: [200, 403]}}",
            "{name: bad, prompt: hi, at: 2026-03-02T12:00Z, expect: {tier: simple, model: small}}",
        ),
    )

    assert commands.run_test(commands.TestOptions(policy)) == 1

    assert capsys.readouterr().out.splitlines() == [
        "ok    good",
        f"FAIL  bad  {policy}:20",
        "    tier   expected  simple  got  moderate",
        "    model  expected  small   got  medium",
        "    why  rule rest; moderate (rule)",
        "",
        "1 passed, 1 failed",
    ]


def test_tests_may_stand_in_a_file_of_their_own(tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    policy = write_policy(tmp_path, RULES + written_tests("{prompt: hi, expect: {status: 404}}"))
    others = tmp_path / "tests.yaml"
    others.write_text(written_tests("{prompt: hi, at: 2026-03-02T12:00Z, expect: {model: medium}}"))

    assert commands.run_test(commands.TestOptions(policy, tests=others, as_json=True)) == 0

    told = json.loads(capsysbinary.readouterr().out)
    assert (told["file"], told["passed"], told["failed"]) == (str(others), 1, 0)


@pytest.mark.parametrize(
    ("written", "told"),
    [
        (
            "tests: [{prompt: hi, expect: {tire: simple}}]",
            "1:31: tests[0].expect.tire: unknown key (did you mean tier?)",
        ),
        ("tests:\n- {prompt: hi, expect: {model: smal}}", "2:25: tests[0].expect.model: no model is named 'smal'"),
        ("tests:\n- {prompt: hi, expect: {rule: fre}}", "2:25: tests[0].expect.rule: no rule is named 'fre'"),
        ("tests: []", "1:1: tests: at least one is needed"),
        ("rules: []\ntests: [{prompt: hi, expect: {tier: simple}}]", "1:1: rules: unknown key"),
        (
            "tests:\n- {prompt: hi, path: /v1/embeddings, expect: {tier: simple}}",
            "2:16: tests[0].path: no request is routed",
        ),
    ],
)
def test_a_faulty_test_is_named_with_its_place(tmp_path: Path, written: str, told: str) -> None:
    others = tmp_path / "tests.yaml"
    others.write_text(written)

    with pytest.raises(ConfigError) as error:
        commands.run_test(commands.TestOptions(write_policy(tmp_path, RULES), tests=others))

    assert str(error.value).startswith(f"{others}:{told}")


def test_no_tests_are_no_success(tmp_path: Path) -> None:
    policy = write_policy(tmp_path)

    with pytest.raises(InputError, match=r"router\.yaml: tests: expected at least one"):
        commands.run_test(commands.TestOptions(policy))


# What JUnit.xsd of Apache Ant's task, the strictest in use, wants: attributes, and elements in their order.
SUITE_ATTRIBUTES = {"name", "timestamp", "hostname", "tests", "failures", "errors", "time", "package", "id"}


def test_the_junit_report_is_what_ci_systems_read(tmp_path: Path) -> None:
    policy = write_policy(tmp_path, RULES + SOME)
    # YAML lets no control character stand as it is, but escaped; a name must not have any.
    policy.write_text(policy.read_text().replace(" \\u0007", ""))
    file = tmp_path / "junit.xml"

    assert commands.run_test(commands.TestOptions(policy, junit=file)) == 1

    root = ET.fromstring(file.read_bytes())  # noqa: S314  # it is our own
    (suite,) = root
    assert root.tag == "testsuites" and not root.attrib and suite.tag == "testsuite"
    assert set(suite.attrib) == SUITE_ATTRIBUTES
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("2", "1", "0")
    assert suite.get("name") == "router.yaml"
    datetime.strptime(suite.attrib["timestamp"], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC)
    assert [child.tag for child in suite] == ["properties", "testcase", "testcase", "system-out", "system-err"]
    good, bad = suite.findall("testcase")
    for case, name in ((good, "it is day"), (bad, "wrong <&>")):
        assert set(case.attrib) == {"name", "classname", "time"} and float(case.attrib["time"]) >= 0
        assert case.get("name") == name
    assert not list(good)
    (failure,) = bad
    assert failure.tag == "failure" and set(failure.attrib) == {"type", "message"}
    assert failure.get("message") == "tier: expected simple, got moderate; model: expected small, got medium"
    assert failure.text is not None and "why: rule rest; moderate (rule)" in failure.text


def test_tests_of_the_same_name_are_told_apart_in_the_junit_report(tmp_path: Path) -> None:
    tests = "tests:\n  - {prompt: hi, expect: {status: 200}}\n  - {prompt: hi, expect: {status: 404}}\n"
    policy, file = write_policy(tmp_path, "rules: [{name: all, tier: simple}]\n" + tests), tmp_path / "junit.xml"
    line = policy.read_text().splitlines().index("tests:") + 2

    commands.run_test(commands.TestOptions(policy, junit=file))

    cases = ET.fromstring(file.read_bytes()).iter("testcase")  # noqa: S314  # it is our own
    assert [case.get("name") for case in cases] == [f"hi (line {line})", f"hi (line {line + 1})"]


def test_the_shipped_classifier_reads_the_prompts(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    assert commands.run_test(commands.TestOptions(EXAMPLES / "router.yaml", as_json=True)) == 0

    tests = json.loads(capsysbinary.readouterr().out)["tests"]
    assert any("intent" in test["why"] for test in tests)
