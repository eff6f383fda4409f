"""What is installed is complete: the wheel carries the model, the page, Envoy's configuration and the examples."""

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_the_wheel_carries_what_serving_and_the_demo_need(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(tmp_path), str(ROOT)]
    subprocess.run(command, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {
        "sidecar/inference/model/model.onnx",
        "sidecar/inference/model/tokenizer.json",
        "sidecar/inference/model/config.json",
        "sidecar/shipped/envoy/envoy.yaml",
        "sidecar/shipped/envoy/set_model.lua",
        "sidecar/shipped/examples/router.yaml",
        "sidecar/py.typed",
    } <= names
    page = {path.relative_to(ROOT).as_posix() for path in (ROOT / "sidecar" / "console" / "static").iterdir()}
    assert "sidecar/console/static/index.html" in page <= names
    assert not [name for name in names if name.startswith(("tests/", "training/", "bench/"))]
