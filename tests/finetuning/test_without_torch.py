"""Where the extra `train` is not installed, the command says so, and everything else works."""

import json
import subprocess
import sys

# With None in place of a module, Python finds none of that name: so an interpreter without torch looks, whatever is
# installed in the one that runs the tests.
WITHOUT_TORCH = "import sys; sys.modules['torch'] = None; from sidecar.cli import main; sys.exit(main(sys.argv[1:]))"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command, to its end."""
    return subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, *arguments], timeout=60, check=False, capture_output=True, text=True
    )


def test_training_without_torch_is_a_2_that_tells_what_to_install() -> None:
    done = run("train", "--data", "labels.jsonl", "--out", "model")

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "sidecar: train needs torch: pip install 'envoy-llm-sidecar[train]'\n"


def test_for_programs_the_failure_is_json() -> None:
    done = run("train", "--data", "labels.jsonl", "--out", "model", "--json")

    assert done.returncode == 2
    assert done.stderr == f"sidecar: {json.loads(done.stdout)['error']['message']}\n"


def test_its_help_needs_no_torch() -> None:
    done = run("train", "--help")

    assert (done.returncode, done.stderr) == (0, "")
    options = ("--data", "--out", "--policy", "--model", "--epochs", "--seed", "--json")
    assert all(word in done.stdout for word in options)
