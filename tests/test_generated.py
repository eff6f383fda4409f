"""The committed wire code is what `make proto` makes of proto/."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def regenerated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the recipe in the Makefile writes, in a folder of its own."""
    folder = tmp_path_factory.mktemp("generated")
    (recipe,) = [line for line in (ROOT / "Makefile").read_text().splitlines() if "grpc_tools.protoc" in line]
    arguments = recipe.partition("grpc_tools.protoc ")[2].replace("out=.", f"out={folder}")
    subprocess.run([sys.executable, "-m", "grpc_tools.protoc", *arguments.split()], cwd=ROOT, check=True)
    return folder


@pytest.mark.parametrize(
    "file", sorted(path.relative_to(ROOT) for path in (ROOT / "sidecar").rglob("*_pb2.py*")), ids=str
)
def test_generated_code_is_up_to_date(regenerated: Path, file: Path) -> None:
    assert (regenerated / file).read_bytes() == (ROOT / file).read_bytes(), "run `make proto`"


def test_all_of_proto_is_generated(regenerated: Path) -> None:
    made = {path.name.removesuffix("_pb2.py") for path in regenerated.rglob("*_pb2.py")}

    assert made == {path.stem for path in (ROOT / "proto").glob("*.proto")}
