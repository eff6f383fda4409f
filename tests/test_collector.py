"""The collector comes up only where nobody can guess their way in, and knows what it missed while it was gone."""

import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.ports import free_port
from tests.fakes.serving import EXAMPLES, PATIENCE_SECONDS, Serving, eventually, get, sidecar_command


@pytest.fixture
def folder() -> Iterator[Path]:
    """Short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="llm-") as folder:
        yield Path(folder)


def test_a_token_that_can_be_guessed_is_refused_at_the_start(folder: Path) -> None:
    command = sidecar_command(
        "serve",
        "--policy",
        EXAMPLES / "minimal.yaml",
        "--socket",
        folder / "s.sock",
        "--http",
        f"0.0.0.0:{free_port()}",
    )

    ended = subprocess.run(
        command,
        env=os.environ | {"SIDECAR_CONSOLE_TOKEN": "hunter2"},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )

    assert ended.returncode == 2
    assert "sidecar: SIDECAR_CONSOLE_TOKEN: expected 32 characters or more" in ended.stderr
    assert "hunter2" not in ended.stderr


def test_started_again_it_tells_of_a_reload_that_failed_before(folder: Path) -> None:
    policy, port = folder / "router.yaml", free_port()
    policy.write_text((EXAMPLES / "minimal.yaml").read_text())
    url = f"http://127.0.0.1:{port}"

    def last_reload() -> list[str]:
        name = "llm_router_policy_last_reload_successful{"
        return [line.split()[-1] for line in get(f"{url}/metrics")[1].splitlines() if line.startswith(name)]

    with Serving(folder / "s.sock", port, policy=policy) as serving:
        eventually(last_reload, ["1.0"])
        policy.write_text("providers: [")
        serving.wait_for_line("policy not reloaded")
        eventually(last_reload, ["0.0"])

        os.kill(serving.collector_pid(), signal.SIGKILL)

        serving.wait_for_line("console at ")
        eventually(last_reload, ["0.0"])
