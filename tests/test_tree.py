"""Truths about the tree itself."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# What a developer's machine leaves in files: its own folders, and where it gets packages from. Written so as not to
# match this file.
MACHINE_TRACES = [
    r"(?<![\w.~-])/(?:root|home|Users|mnt)/[\w.]",
    r"pythonhosted\.or[g]|registry\.npmjs\.or[g]|registry\.yarnpkg\.co[m]",
    r"(?:extra-)?index-ur[l]|find-link[s]",
]


def tree() -> list[Path]:
    """Every file that is, or is about to be, in the repository."""
    command = ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, capture_output=True, check=True).stdout.decode()
    return [file for name in listed.split("\0") if name and (file := ROOT / name).is_file()]


@pytest.mark.parametrize("trace", MACHINE_TRACES)
def test_nothing_tells_of_the_machine_it_was_made_on(trace: str) -> None:
    pattern = re.compile(trace.encode())

    told = [
        f"{file.relative_to(ROOT)}: {found[0].decode(errors='replace')}"
        for file in tree()
        if (found := pattern.search(file.read_bytes())) is not None and file.suffix != ".jsonl"
    ]

    assert told == []


def test_what_is_for_envoy_is_no_python() -> None:
    assert [file for file in (ROOT / "envoy").rglob("*.py*") if file.is_file()] == []


def test_every_module_of_ours_opens_with_a_sentence() -> None:
    silent = [
        str(file.relative_to(ROOT))
        for file in tree()
        if file.suffix == ".py"
        and not file.stem.endswith("_pb2")
        and not ast.get_docstring(ast.parse(file.read_text()))
    ]

    assert silent == []


def test_tests_mirror_what_they_test() -> None:
    """A folder of tests for a package that is gone would only look like proof."""
    packages = {folder.name for parent in (ROOT, ROOT / "sidecar") for folder in parent.iterdir() if folder.is_dir()}

    folders = {
        file.relative_to(ROOT / "tests").parts[0]
        for file in tree()
        if file.is_relative_to(ROOT / "tests") and file.parent != ROOT / "tests"
    }

    assert folders - packages <= {"fakes", "clients", "faults"}


def test_only_the_model_is_a_large_file() -> None:
    large = [str(file.relative_to(ROOT)) for file in tree() if file.stat().st_size > 1_000_000]

    assert [name for name in large if not name.startswith(("sidecar/inference/model/", "training/prompts/"))] == []
