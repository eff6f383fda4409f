"""The policy as it is shown: readable, and without anything that is a secret."""

from pathlib import Path

import pytest

from tests.fakes.live_requests import read_policy

EXAMPLES = Path(__file__).parents[2] / "examples"

SECRETS = """
providers:
  one: {url: https://api.example.com/v1, api_key_file: /etc/llm-keys/one}
models:
  small: {provider: one, tier: simple, price: {input: 1, output: 2}, context: 1000}
fallback: small
virtual_models: {auto: {}}
signals: {headers: {tenant: x-tenant-id, key: Authorization}}
rules:
  - {name: vip, when: {header: {key: "Basic c2VjcmV0"}}, tier: simple}
  - {name: sk-abcdefghijklmnop1234, when: {header: {tenant: acme}}, tier: simple}
tests:
  - prompt: my key is AIzaSyA1234567890abcdefghijklmnopqrstuv
    headers: {authorization: Bearer abc}
    expect: {tier: simple}
"""


@pytest.mark.parametrize("example", sorted(EXAMPLES.glob("*.yaml")), ids=lambda file: file.stem)
def test_what_is_shown_says_the_same(example: Path, tmp_path: Path) -> None:
    view = read_policy(example)
    shown = tmp_path / "shown.yaml"
    shown.write_text(view.text)

    again = read_policy(shown)

    assert isinstance(again.written, dict) and isinstance(view.written, dict)
    assert again.written.keys() == view.written.keys()
    assert again.policy.hash == view.policy.hash == view.summary["hash"]


def test_what_looks_like_a_key_is_blotted_out(tmp_path: Path) -> None:
    file = tmp_path / "router.yaml"
    file.write_text(SECRETS + "# sk-in-a-comment-0123456789\n")

    text = read_policy(file).text

    for secret in ("c2VjcmV0", "sk-", "AIza", "Bearer"):
        assert secret not in text
    for kept in ("/etc/llm-keys/one", "acme", "Authorization"):
        assert kept in text


def test_what_is_costly_is_made_once() -> None:
    view = read_policy()

    assert view.text is view.text
    assert view.summary is view.summary
