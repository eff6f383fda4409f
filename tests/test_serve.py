"""A policy that cannot be served takes nobody down: not Envoy's requests, not a worker that comes back."""

import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sidecar.envoyconfig.command import run_render
from tests.fakes.envoy import envoy_at, request_body, request_headers, router_metadata
from tests.fakes.ports import free_port
from tests.fakes.requests import body
from tests.fakes.serving import EXAMPLES, Serving, eventually, get, sidecar_command

MINIMAL = (EXAMPLES / "minimal.yaml").read_text()
ANOTHER_MODEL = MINIMAL.replace(
    "models:\n", "models:\n  brand-new: {provider: openai, tier: simple, price: {input: 1, output: 1}, context: 9}\n"
)
OLDER = "ready, with an older policy: what the file says now cannot be used\n"
ENVOY = Path(__file__).parents[1] / "envoy" / "envoy.yaml"


@pytest.fixture
def folder() -> Iterator[Path]:
    """Short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="llm-") as folder:
        yield Path(folder)


async def _is_decided(socket: Path) -> bool:
    async with envoy_at(str(socket)) as envoy:
        return bool(router_metadata((await envoy.ask(request_headers(), request_body(body()))).last)["reason"])


@pytest.mark.asyncio
async def test_a_model_that_envoy_does_not_have_waits_for_envoy(folder: Path) -> None:
    policy, port = folder / "router.yaml", free_port()
    policy.write_text(MINIMAL)
    with Serving(folder / "s.sock", port, policy=policy, envoy=ENVOY) as serving:
        policy.write_text(ANOTHER_MODEL)

        told = serving.wait_for_line("policy not reloaded")

        assert f"{ENVOY} has no cluster 'brand-new' (models.brand-new)" in told
        eventually(lambda: get(f"http://127.0.0.1:{port}/readyz"), (200, OLDER))
        assert await _is_decided(folder / "s.sock")


def test_one_that_it_never_had_is_refused_at_the_start(folder: Path) -> None:
    policy = folder / "router.yaml"
    policy.write_text(ANOTHER_MODEL)

    ended = subprocess.run(
        sidecar_command("serve", "--policy", policy, "--socket", folder / "s.sock", "--envoy", ENVOY),
        capture_output=True,
        text=True,
        check=False,
    )

    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith(f"sidecar: {ENVOY} has no cluster 'brand-new'")


@pytest.mark.asyncio
@pytest.mark.parametrize("written", [ANOTHER_MODEL, "providers: [", ""])
async def test_a_server_that_starts_anew_serves_what_envoy_was_configured_for(folder: Path, written: str) -> None:
    policy, port, envoy = folder / "router.yaml", free_port(), folder / "envoy"
    policy.write_text(MINIMAL)
    run_render(policy, basic=False, out=envoy, overlay=None)
    policy.write_text(written)

    with Serving(folder / "s.sock", port, policy=policy, envoy=envoy / "envoy.yaml") as serving:
        assert await _is_decided(folder / "s.sock")
        eventually(lambda: get(f"http://127.0.0.1:{port}/readyz"), (200, OLDER))

        policy.write_text(MINIMAL)
        serving.wait_for_line("policy reloaded")
        eventually(lambda: get(f"http://127.0.0.1:{port}/readyz"), (200, "ready\n"))


@pytest.mark.asyncio
async def test_a_worker_that_dies_comes_back_whatever_the_file_says_by_then(folder: Path) -> None:
    policy, port = folder / "router.yaml", free_port()
    policy.write_text(MINIMAL)
    with Serving(folder / "s.sock", port, policy=policy) as serving:
        (dead,) = serving.worker_pids()
        policy.write_text("providers: [")
        serving.wait_for_line("policy not reloaded")

        os.kill(dead, signal.SIGKILL)

        assert "stays in use" in serving.wait_for_line("policy not loaded")
        serving.wait_for_line("ready at ")
        eventually(lambda: get(f"http://127.0.0.1:{port}/readyz")[0], 200)
        assert serving.worker_pids() != [dead]
        eventually(
            lambda: 'last_reload_successful{worker="0"} 0.0' in get(f"http://127.0.0.1:{port}/metrics")[1], True
        )
        assert await _is_decided(folder / "s.sock")
