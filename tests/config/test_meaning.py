"""The hash of a policy, and the half of it that tells what the policy reads of a request."""

from pathlib import Path

import pytest

from sidecar.config.compile import load_config
from sidecar.config.compiling.meaning import hash_of_reading
from tests.fakes.policy_files import write_policy

SIGNALS = "signals: {headers: {plan: x-plan}, keywords: {incident: [outage]}}"


def hash_of(folder: Path, more: str) -> str:
    return load_config(write_policy(folder, more)).policy.hash


@pytest.mark.parametrize(
    ("more", "is_read_alike"),
    [
        (f"{SIGNALS}\nmin_confidence: 0.1", True),
        (f"{SIGNALS}\nrules: [{{name: r, when: {{keywords: incident}}, tier: complex}}]", True),
        (f"{SIGNALS}\nintents: {{math: complex}}", True),
        ("", False),
        (SIGNALS.replace("outage", "downtime"), False),
        (SIGNALS.replace("[outage]", "{any: outage, in: request}"), False),
        (SIGNALS.replace("x-plan", "x-tariff"), False),
        (f"{SIGNALS}\nconversation: {{turns: 3}}", False),
        (f"{SIGNALS}\nintents: {{refund: {{examples: [my money back, a refund], tier: simple}}}}", False),
    ],
)
def test_the_first_half_is_the_same_for_policies_that_read_the_same(
    tmp_path: Path, more: str, is_read_alike: bool
) -> None:
    one, other = hash_of(tmp_path, SIGNALS), hash_of(tmp_path, more)

    assert one != other and len(one) == len(other) == 16
    assert (hash_of_reading(one) == hash_of_reading(other)) is is_read_alike


def test_a_parameter_that_some_model_does_not_take_is_read(tmp_path: Path) -> None:
    plain = write_policy(tmp_path)
    other = tmp_path / "other.yaml"
    other.write_text(plain.read_text().replace("latency_ms: 500", "unsupported: [temperature]"))

    hashes = [hash_of_reading(load_config(file).policy.hash) for file in (plain, other)]

    assert hashes[0] != hashes[1]
