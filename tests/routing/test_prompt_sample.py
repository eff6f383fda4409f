"""Which prompts are written down, and what of them."""

import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.routing.prompt_sample import sample_prompt
from tests.fakes.properties import examples

ID = "7fffffff" + "0" * 24
EMAIL = "somebody.of.some.importance@a-company-with-a-name.example.com"


@pytest.mark.parametrize(("share", "is_kept"), [(0.0, False), (0.49, False), (0.5, True), (1.0, True)])
def test_the_decision_id_tells_whether_a_prompt_is_in_the_sample(share: float, is_kept: bool) -> None:
    assert (sample_prompt(share, ID, "hi") == "hi") is is_kept


def test_about_that_share_is_kept() -> None:
    kept = sum(sample_prompt(0.1, secrets.token_hex(16), "hi") is not None for _ in range(20_000))

    assert 1_600 < kept < 2_400


def test_no_prompt_is_no_text() -> None:
    assert sample_prompt(1.0, ID, "") is None


def test_personal_data_is_blotted_out() -> None:
    assert sample_prompt(1.0, ID, f"Write to {EMAIL}, please.") == "Write to [email], please."


@given(st.integers(0, 300), st.integers(0, 300))
@examples(200)
def test_of_a_long_prompt_beginning_and_end_are_kept_and_no_half_of_an_address(before: int, behind: int) -> None:
    """Wherever the cut goes."""
    prompt = f"{'x ' * ((4_200 - before) // 2)}{EMAIL}{' y' * 4_000}{EMAIL}{' z' * ((4_200 - behind) // 2)}"

    kept = sample_prompt(1.0, ID, prompt)

    assert kept is not None
    assert kept.startswith("x x x") and kept.endswith("z z z") and "\n[…]\n" in kept
    assert len(kept) < 8_100
    for part in ("somebody", "importance", "company", "example"):
        assert part not in kept
