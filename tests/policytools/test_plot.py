"""`sidecar replay --plot`: a picture of the shares, before and after."""

import subprocess
import sys
from pathlib import Path

import pytest

from sidecar.policytools import commands
from sidecar.policytools.commands import ReplayOptions
from sidecar.streams.lines import InputError
from tests.fakes.classifiers import classification
from tests.fakes.policy_files import answer, log_line, write_policy

BODY = b'{"model": "auto", "messages": [{"role": "user", "content": "What is an oak?"}]}'


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A request that needs a moderate model."""
    file = tmp_path / "log.jsonl"
    file.write_bytes(log_line(answer(write_policy(tmp_path), BODY, classification(difficulty=0.2)).record))
    return file


@pytest.mark.parametrize(("name", "start"), [("replay.png", b"\x89PNG"), ("replay.svg", b"<?xml")])
def test_a_picture_is_drawn_and_is_the_same_each_time(tmp_path: Path, log: Path, name: str, start: bytes) -> None:
    policy = write_policy(tmp_path, "difficulty: {moderate: 0.3}", "new.yaml")
    drawn = []
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        commands.run_replay(ReplayOptions(log, policy, plot=tmp_path / folder / name))
        drawn.append((tmp_path / folder / name).read_bytes())

    assert drawn[0] == drawn[1] and drawn[0].startswith(start)


def test_lines_without_an_old_decision_are_drawn_too(tmp_path: Path, log: Path) -> None:
    log.write_bytes(b'{"body": %s}\n' % BODY)

    commands.run_replay(
        ReplayOptions(log, write_policy(tmp_path, "rules: [{name: all, tier: simple}]"), plot=tmp_path / "x.svg")
    )

    drawn = (tmp_path / "x.svg").read_text()
    assert "<!-- new -->" in drawn and "<!-- old -->" not in drawn


def test_another_kind_of_file_is_refused_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"replay\.pdf: expected a name that ends in \.png or \.svg"):
        commands.run_replay(ReplayOptions(tmp_path / "missing", tmp_path / "missing", plot=Path("replay.pdf")))


WITHOUT_MATPLOTLIB = (
    "import sys; sys.modules['matplotlib'] = None; from sidecar.cli import main; sys.exit(main(sys.argv[1:]))"
)


def test_without_matplotlib_it_is_a_2_that_tells_what_to_install(tmp_path: Path, log: Path) -> None:
    policy = write_policy(tmp_path)
    command = [sys.executable, "-c", WITHOUT_MATPLOTLIB, "replay", str(log), "--policy", str(policy)]

    done = subprocess.run([*command, "--plot", "x.png"], timeout=60, check=False, capture_output=True, text=True)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "sidecar: --plot needs matplotlib: pip install 'envoy-llm-sidecar[plot]'\n"
    assert subprocess.run(command, timeout=60, check=False, capture_output=True).returncode == 0
