"""A replay on Ray Data, as docs/replay.md shows it: the same numbers as on one machine."""

import ast
import re
import subprocess
import sys
from pathlib import Path

from sidecar.policytools.replay.replay import Replay
from sidecar.policytools.replay.report import as_json
from tests.fakes.classifiers import classification
from tests.fakes.policy_files import answer, log_line, write_policy

ROOT = Path(__file__).parents[3]

BODY = b'{"model": "auto", "messages": [{"role": "user", "content": "What is an oak?"}]}'

PATIENCE_SECONDS = 300


def shown() -> str:
    """The one block of Python in the page."""
    (block,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "replay.md").read_text(), re.DOTALL)
    return str(block)


def test_the_snippet_in_the_docs_counts_what_one_process_counts(tmp_path: Path) -> None:
    old, new = write_policy(tmp_path, "", "old.yaml"), write_policy(tmp_path, "min_confidence: 0.95", "new.yaml")
    lines = [log_line(answer(old, BODY, classification(difficulty=number / 100)).record) for number in range(100)] + [
        b"nonsense\n"
    ]
    logs = tmp_path / "logs"
    logs.mkdir()
    for number in range(3):
        (logs / f"{number}.jsonl").write_bytes(b"".join(lines * 20))
    (tmp_path / "snippet.py").write_text(shown())

    # On a machine without a network, and saying nothing to anyone.
    environment = {
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": str(ROOT),
        "RAY_USAGE_STATS_ENABLED": "0",
        "HOME": str(tmp_path),
    }
    done = subprocess.run(
        [sys.executable, "snippet.py"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=True,
    )

    told = ast.literal_eval(done.stdout.splitlines()[-1])
    with Replay(new, old).open() as opened:
        expected = as_json(opened.summarise(lines * 60))
    for part in (told, expected):
        del part["changes"], part["broken"]["first"]  # which come first is a matter of chance there
    assert told == expected
    assert (told["lines"], told["compared"]) == (6060, 6000) and told["changed"]["lines"] > 0
