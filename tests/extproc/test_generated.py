"""The committed wire code is what `make proto` makes of proto/."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def regenerated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the recipe in the Makefile writes, in a folder of its own."""
    folder = tmp_path_factory.mktemp("generated")
    (recipe,) = [line for line in (ROOT / "Makefile").read_text().splitlines() if "grpc_tools.protoc" in line]
    arguments = recipe.partition("grpc_tools.protoc ")[2].replace("out=.", f"out={folder}")
    subprocess.run([sys.executable, "-m", "grpc_tools.protoc", *arguments.split()], cwd=ROOT, check=True)
    return folder / "sidecar" / "extproc"


@pytest.mark.parametrize("file", ["ext_proc_pb2.py", "ext_proc_pb2.pyi"])
def test_generated_code_is_up_to_date(regenerated: Path, file: str) -> None:
    committed = ROOT / "sidecar" / "extproc" / file

    assert (regenerated / file).read_bytes() == committed.read_bytes(), "run `make proto`"
