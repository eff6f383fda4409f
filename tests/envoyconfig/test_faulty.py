"""Each file in faulty/ puts one fault into a shipped configuration, and says which line is told of it.

A file is named after its rule (`rule.yaml`, `rule--variant.yaml`):

    base: envoy.yaml                # or envoy-basic.yaml
    replace:                        # text that stands there exactly once, or `every: true`
    - {old: …, new: …, file: …}     # `file`: the base, or another file beside it, or router.yaml, the policy
    add: {next.yaml: …}             # further files, whole
    expect: {line: …, file: …, also: […]}   # `also`: other rules that the same fault breaks
"""

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from sidecar.config.compile import load_config
from sidecar.envoyconfig.check import all_rules, check_envoy
from sidecar.envoyconfig.shipped import shipped_file

FOLDER = Path(__file__).parent / "faulty"
FAULTS = sorted(file.stem for file in FOLDER.glob("*.yaml"))


def rule_of(name: str) -> str:
    return name.partition("--")[0]


def patched(fault: dict[str, Any], folder: Path) -> Path:
    """The faulty Envoy file, in a folder with the policy and the files that it names."""
    shutil.copytree(shipped_file("envoy", "envoy.yaml").parent, folder, dirs_exist_ok=True)
    shutil.copy(shipped_file("examples", "router.yaml"), folder)
    for name, text in fault.get("add", {}).items():
        (folder / name).write_text(text)
    for edit in fault["replace"]:
        file = folder / edit.get("file", fault["base"])
        text = file.read_text()
        assert text.count(edit["old"]) == 1 or (edit.get("every") and edit["old"] in text), edit["old"]
        file.write_text(text.replace(edit["old"], edit["new"]))
    return folder / str(fault["base"])


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_told_by_its_rule_at_its_line(name: str, tmp_path: Path) -> None:
    fault = yaml.safe_load((FOLDER / f"{name}.yaml").read_text())
    expected = fault["expect"]
    file = patched(fault, tmp_path)

    findings = check_envoy(load_config(tmp_path / "router.yaml"), file)

    assert {it.id for it in findings} == {rule_of(name), *expected.get("also", [])}
    told = next(it for it in findings if it.id == rule_of(name))
    assert told.file == tmp_path / expected.get("file", fault["base"])
    assert expected["line"] in told.file.read_text().splitlines()[told.line - 1]


def test_every_rule_has_a_faulty_file() -> None:
    assert {rule_of(name) for name in FAULTS} == {rule.id for rule in all_rules()}
