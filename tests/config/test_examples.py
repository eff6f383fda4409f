"""The examples load, nothing is to be said of them, and they do what their own tests say."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sidecar.config.compile import RoutingTest, load_config
from sidecar.config.findings import check_policy
from sidecar.routing.api import Api, find_endpoint
from sidecar.routing.decision import NOT_READ, Evidence, decide
from sidecar.routing.policy import Policy
from sidecar.routing.reason import Reason
from sidecar.routing.rejection import RejectedError
from sidecar.routing.request import parse_request
from sidecar.routing.signals import RequestHead
from sidecar.routing.tier import Tier
from sidecar.routing.trail import Trail

FOLDER = Path(__file__).parents[2] / "examples"
FILES = sorted(FOLDER.glob("*.yaml"))


def settle(policy: Policy, test: RoutingTest) -> dict[str, Any] | None:
    """What becomes of a request without a classifier; None if it takes one."""
    endpoint = find_endpoint("POST", test.path)
    assert endpoint is not None
    request = parse_request(endpoint, msgspec.json.encode(test.request))
    received = test.at or datetime(2026, 3, 2, 12, tzinfo=UTC)
    signals = policy.reader.read(request, RequestHead(test.path, test.headers, received))
    evidence, trail = NOT_READ if request.prompt else Evidence(missing=Reason.NO_PROMPT), Trail()
    try:
        decision = decide(policy, signals, evidence, trail)
    except RejectedError as rejection:
        return {"status": rejection.status, "reason": rejection.reason, "rule": trail.rule}
    if decision is None:
        return None
    return {
        "status": 200,
        "reason": decision.reason,
        "rule": trail.rule,
        "arm": trail.arm,
        "tier": decision.tier,
        "model": decision.model.name,
        "plan": {model.name for model in decision.plan},
    }


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_nothing_is_to_be_said_of_an_example(file: Path) -> None:
    assert check_policy(file, date(2026, 3, 2)) == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_an_example_has_some_tests(file: Path) -> None:
    assert 4 <= len(load_config(file).tests) <= 8 or file.stem == "minimal"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_what_needs_no_classifier_becomes_what_the_example_says(file: Path) -> None:
    config = load_config(file)
    settled = [(test, became) for test in config.tests if (became := settle(config.policy, test)) is not None]

    for test, became in settled:
        for key in ("status", "reason", "rule", "arm", "tier", "model"):
            expected = getattr(test.expect, key)
            assert not expected or became.get(key) in expected, f"{test.name}: {became}"
        assert not became.get("plan", set()) & {*test.expect.not_model}, f"{test.name}: {became}"
    assert settled or file.stem == "minimal"


@pytest.mark.parametrize(
    ("example", "apis"), [("minimal.yaml", {Api.OPENAI}), ("router.yaml", {Api.OPENAI, Api.ANTHROPIC})]
)
def test_the_first_examples_have_a_model_for_every_tier(example: str, apis: set[Api]) -> None:
    policy = load_config(FOLDER / example).policy

    assert {endpoint.api for endpoint in policy.fallbacks} == apis
    assert set(Tier) == {model.tier for model in policy.models.values()}
    for (endpoint, _, _), plan in policy.plans.items():
        assert bool(plan) == (endpoint.api in apis)


def test_the_page_names_every_example() -> None:
    page = (FOLDER.parent / "docs" / "policy.md").read_text()

    assert all(f"`{file.name}`" in page for file in FILES)


def test_the_minimal_example_has_fifteen_lines_at_most() -> None:
    assert (FOLDER / "minimal.yaml").read_text().count("\n") <= 15


def test_the_hash_fits_a_header() -> None:
    assert load_config(FOLDER / "minimal.yaml").policy.hash.isalnum()
