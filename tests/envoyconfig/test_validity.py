"""Envoy takes what is rendered, for whatever providers and models a policy has."""

import subprocess
import sys
from pathlib import Path

import pytest

from sidecar.demo.preflight import find_envoy
from sidecar.envoyconfig.parts.places import AS_SHIPPED, Places
from sidecar.envoyconfig.render import render_files
from sidecar.envoyconfig.shipped import shipped_file
from tests.fakes.written_policies import ANTHROPIC_ONLY, ONE_LOCAL, load, many_models, policy_with

ODD_NAMES = """
providers:
  "on": {url: https://one.example:8443/base/path, api_key_file: /etc/llm-keys/on}
  a/b: {url: https://10.0.0.7/v1, api_key_file: /etc/llm-keys/a}
  a:b: {url: "http://[fd00::7]:8000", api: anthropic, api_key_file: /etc/llm-keys/b}
models:
  "y": {provider: "on", tier: simple, price: {input: 0, output: 0}, context: 8192, id: "no"}
  "1e5": {provider: a/b, tier: moderate, price: {input: 0, output: 0}, context: 8192, id: 'quo"ted \\ back'}
  org/model:7b@x+y: {provider: "a:b", tier: complex, price: {input: 0, output: 0}, context: 8192, cluster: "0x10"}
virtual_models: {auto: {}}
fallback: ["y", org/model:7b@x+y]
"""

POLICIES = {
    "the example": shipped_file("examples", "router.yaml").read_text(),
    "the smallest example": shipped_file("examples", "minimal.yaml").read_text(),
    "requirements": shipped_file("examples", "eu-only.yaml").read_text(),
    "tenants": shipped_file("examples", "premium-and-free.yaml").read_text(),
    "one provider, no key": ONE_LOCAL,
    "Anthropic only": ANTHROPIC_ONLY,
    "thirty models": many_models(30),
    "a base path": policy_with("{url: https://host.example/openai/v2}"),
    "an IP address": policy_with("{url: https://10.1.2.3:8443/v1}"),
    "odd names": ODD_NAMES,
}


def envoy_1_38() -> Path:
    """The oldest that the basic configuration is for."""
    (binary,) = Path(sys.prefix, "envoy-1.38", "envoy", "_bin").glob("envoy*")
    return binary


IN_A_POD = Places(edge=("::", 10000), status=("0.0.0.0", 9903), otlp=None, workers=2)


@pytest.mark.parametrize("is_basic", [False, True], ids=["resilient", "basic"])
@pytest.mark.parametrize(("name", "places"), [*((name, AS_SHIPPED) for name in POLICIES), ("the example", IN_A_POD)])
def test_envoy_takes_it(tmp_path: Path, name: str, places: Places, is_basic: bool) -> None:
    for file, text in render_files(load(POLICIES[name], tmp_path), is_basic=is_basic, places=places).items():
        (tmp_path / file).write_text(
            text.replace("/etc/envoy/", f"{tmp_path}/").replace("/etc/llm-keys", str(tmp_path))
        )
    envoy = envoy_1_38() if is_basic else find_envoy()
    command = [str(envoy), "--mode", "validate", "-c", str(tmp_path / "envoy.yaml")]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "deprecated" not in result.stderr.lower()
