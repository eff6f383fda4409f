"""Where the demo finds what ships, and where it puts what it writes."""

import tempfile
from pathlib import Path

import pytest

from sidecar.demo.places import make_run_folder, sidecar_sockets
from sidecar.envoyconfig.shipped import shipped_file


@pytest.mark.parametrize(
    "parts", [("envoy", "envoy.yaml"), ("envoy", "envoy-basic.yaml"), ("examples", "router.yaml")]
)
def test_shipped_files_are_found(parts: tuple[str, ...]) -> None:
    assert shipped_file(*parts).is_file()


def test_a_file_that_does_not_ship_is_named() -> None:
    with pytest.raises(FileNotFoundError, match=r"envoy/nothing\.yaml"):
        shipped_file("envoy", "nothing.yaml")


def test_workers_have_a_socket_each() -> None:
    assert [path.name for path in sidecar_sockets(Path("/run/llm"), 3)] == [
        "sidecar.sock",
        "sidecar-1.sock",
        "sidecar-2.sock",
    ]


def test_a_socket_fits_even_when_the_temporary_folder_is_deep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    with make_run_folder() as folder:
        assert len(f"{folder}/sidecar-999.sock") < 104
    assert list(deep.iterdir()) == []
