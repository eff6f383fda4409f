"""Each file in faulty/ has one fault, and its first line says what is told of it after the file's name."""

from datetime import date
from pathlib import Path

import pytest

from sidecar.config.compile import load_config
from sidecar.config.document import ConfigError
from sidecar.config.findings import check_policy
from sidecar.config.kinds import KINDS

FOLDER = Path(__file__).parent / "faulty"
FILES = sorted(FOLDER.glob("*.yaml"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_fault_is_told_with_its_place_and_what_was_expected(file: Path) -> None:
    expected = file.read_text().partition("\n")[0].removeprefix("# ")

    with pytest.raises(ConfigError) as fault:
        load_config(file)

    assert str(fault.value).startswith(f"{file}:{expected}")


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_check_tells_the_fault_that_loading_raises_and_no_other(file: Path) -> None:
    """A file that also lacks `fallback`, say, would prove little."""
    (finding,) = check_policy(file, date(2026, 1, 1))

    assert finding.severity == "error"
    assert finding.reason and finding.fix
    with pytest.raises(ConfigError) as fault:
        load_config(file)
    assert str(finding) == str(fault.value)


def test_every_kind_of_error_in_a_policy_has_a_file() -> None:
    kinds = {finding.id for file in FILES for finding in check_policy(file, date(2026, 1, 1))}
    unseen = {
        # no file in a folder is any of these
        *("file-unreadable", "file-too-large", "nested-too-deeply"),
        # warnings: see test_doubts.py
        *("model-deprecated", "model-never-first", "fallback-weak", "fallback-forbidden", "keyword-repeated"),
        *(
            "header-secret",
            "requirement-in-rule",
            "requirement-on-last-turn",
            "region-unknown",
            "plan-may-be-empty",
            "model-folder-missing",
        ),
        *("model-folder-unreadable", "untested"),
        # only the server refuses it
        "intent-unknown",
    }

    assert kinds == KINDS.keys() - unseen


def test_every_faulty_file_is_short() -> None:
    for file in FILES:
        assert len(file.read_text().splitlines()) <= 10, f"{file.name} has more in it than a fault"
