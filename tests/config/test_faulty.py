"""Each file in faulty/ has one fault, and its first line says what is told of it after the file's name."""

from pathlib import Path

import pytest

from sidecar.config.compile import load_config
from sidecar.config.document import ConfigError

FOLDER = Path(__file__).parent / "faulty"


@pytest.mark.parametrize("name", sorted(file.stem for file in FOLDER.glob("*.yaml")))
def test_a_fault_is_told_with_its_line_and_what_was_expected(name: str) -> None:
    file = FOLDER / f"{name}.yaml"
    expected = file.read_text().partition("\n")[0].removeprefix("# ").replace("\\n", "\n")

    with pytest.raises(ConfigError) as fault:
        load_config(file)

    assert str(fault.value).startswith(f"{file}:{expected}")


def test_every_faulty_file_is_sound_but_for_its_fault() -> None:
    """A file that also lacks `fallback`, say, would prove little: the fault it is named after must come first."""
    for file in FOLDER.glob("*.yaml"):
        assert len(file.read_text().splitlines()) <= 9, f"{file.name} has more in it than a fault"
