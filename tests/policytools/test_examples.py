"""The policies that people start from do what their tests say, by the shipped classifier."""

from pathlib import Path

import pytest

from sidecar.config.compile import load_config
from sidecar.policytools import commands
from tests.fakes.serving import EXAMPLES

POLICIES = sorted(EXAMPLES.glob("*.yaml"))
TESTED = [policy for policy in POLICIES if load_config(policy).tests]


@pytest.mark.parametrize("policy", TESTED, ids=lambda policy: policy.stem)
def test_the_tests_of_an_example_pass(policy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = commands.run_test(commands.TestOptions(policy))

    assert code == 0, capsys.readouterr().out


def test_only_the_smallest_has_none() -> None:
    assert [policy.stem for policy in POLICIES if policy not in TESTED] == ["minimal"]


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.stem)
def test_an_example_can_be_explained(policy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.run_explain(commands.ExplainOptions(policy, "hi there, thanks a lot!")) == 0

    assert capsys.readouterr().out.startswith("auto at /v1/chat/completions → ")
