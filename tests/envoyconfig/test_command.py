"""`sidecar envoy`: to the terminal, or into a folder."""

import json
from pathlib import Path

import pytest
import yaml

from sidecar.config.document import ConfigError
from sidecar.envoyconfig.command import run_render
from tests.fakes.written_policies import ONE_LOCAL, policy_with


def test_it_prints_the_configuration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    policy = tmp_path / "router.yaml"
    policy.write_text(ONE_LOCAL)
    run_render(policy, basic=False, out=None, overlay=None)
    assert capsys.readouterr().out.startswith("# The resilient gateway")
    run_render(policy, basic=True, out=None, overlay=None)
    assert capsys.readouterr().out.startswith("# The basic gateway")


def test_it_writes_all_that_envoy_needs_into_a_folder(tmp_path: Path) -> None:
    policy, out = tmp_path / "router.yaml", tmp_path / "new" / "envoy"
    policy.write_text(policy_with("{url: https://h.example, api_key_file: /keys/p}"))
    run_render(policy, basic=False, out=out, overlay=None)
    assert sorted(file.name for file in out.iterdir()) == [
        "envoy.policy.yaml",
        "envoy.yaml",
        "p-key.yaml",
        "set_model.lua",
    ]


def test_a_policy_that_envoy_cannot_carry_out_is_told_with_its_file(tmp_path: Path) -> None:
    policy = tmp_path / "router.yaml"
    policy.write_text(policy_with("{url: http://h}", ", cluster: sidecar"))
    with pytest.raises(ConfigError, match=rf"^{policy}: two of Envoy's clusters would be named 'sidecar'"):
        run_render(policy, basic=False, out=None, overlay=None)


def test_programs_get_the_same_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    policy = tmp_path / "router.yaml"
    policy.write_text(ONE_LOCAL)
    run_render(policy, basic=False, out=None, overlay=None)
    written = yaml.safe_load(capsys.readouterr().out)

    run_render(policy, basic=False, out=None, overlay=None, is_json=True)

    assert json.loads(capsys.readouterr().out) == written
