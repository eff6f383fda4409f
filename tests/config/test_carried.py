"""A policy is used only if Envoy can carry its plans out."""

from pathlib import Path

import pytest

from sidecar.config.carried import NotCarriedError, load_carried_policy

MINIMAL = Path(__file__).parents[2] / "examples" / "minimal.yaml"
EVERY_MODEL = "[{name: gemini-flash}, {name: gpt-4o-mini}, {name: gpt-4o}, {name: o3-mini}]"


def written(folder: Path, text: str) -> Path:
    file = folder / "envoy.yaml"
    file.write_text(text)
    return file


def test_a_policy_whose_models_envoy_has_is_used(tmp_path: Path) -> None:
    envoy = written(tmp_path, f"static_resources: {{clusters: {EVERY_MODEL}}}")

    assert load_carried_policy(MINIMAL, envoy).config == load_carried_policy(MINIMAL, None).config


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "static_resources: {clusters: [{name: gemini-flash}, {name: gpt-4o}, {name: o3-mini}]}",
            "has no cluster 'gpt-4o-mini' (models.gpt-4o-mini): write it again with `sidecar envoy`, and restart",
        ),
        ("static_resources: {clusters: {name: gpt-4o}}", "static_resources.clusters: expected a list of clusters"),
        ("static_resources: {}", "static_resources.clusters: expected a list of clusters"),
        ("static_resources: {clusters: [{name: ", "cannot be read"),
    ],
)
def test_a_policy_that_envoy_could_not_carry_out_is_refused(tmp_path: Path, text: str, told: str) -> None:
    envoy = written(tmp_path, text)

    with pytest.raises(NotCarriedError) as refused:
        load_carried_policy(MINIMAL, envoy)

    assert str(refused.value).startswith(str(envoy)) and told in str(refused.value)


def test_an_envoy_configuration_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotCarriedError, match="cannot be read"):
        load_carried_policy(MINIMAL, tmp_path / "envoy.yaml")
