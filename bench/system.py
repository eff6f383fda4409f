"""What is measured: the stand-in providers, the sidecar, and the real Envoy: whole, and with parts taken out.

All on loopback, started from the shipped files by the parts of `sidecar demo`; gone when the block ends.
"""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from bench.envoys import EnvoyPlaces, envoy_child, without_feed, without_sidecar
from bench.processes import children
from sidecar.demo.child import Child
from sidecar.demo.guide import GREETING, chat_request
from sidecar.demo.places import make_run_folder, outcomes_socket, sidecar_sockets
from sidecar.demo.preflight import free_ports
from sidecar.demo.providers import ProviderProcess
from sidecar.demo.readiness import wait_for_decision, wait_until_ready
from sidecar.envoyconfig.shipped import shipped_file

START_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class System:
    """Where its parts are reached, and which processes they are."""

    plain_url: str
    routed_url: str
    """Through the Envoy that asks the sidecar."""
    unfed_url: str
    """Through one that asks it and does not tell it what came of requests."""
    providers_pid: int
    sidecar_pid: int
    """Of the parent of the next two."""
    worker_pid: int
    collector_pid: int
    plain_envoy_pid: int
    routed_envoy_pid: int
    unfed_envoy_pid: int


@asynccontextmanager
async def running_system() -> AsyncIterator[System]:
    """Ready when the block begins. Raises NotReadyError."""
    # Recording what arrives is for tests.
    with make_run_folder() as name, ProviderProcess(["--record", "0"]) as providers:
        folder = Path(name)
        http_port, otlp_port, *ports = free_ports(8)
        sidecar = sidecar_child(folder, http_port)
        socket_path, outcomes = sidecar_sockets(folder, 1)[0], outcomes_socket(folder)
        plain = EnvoyPlaces(folder / "plain", ports[0], ports[1], socket_path, outcomes, otlp_port)
        routed = EnvoyPlaces(folder / "routed", ports[2], ports[3], socket_path, outcomes, otlp_port)
        unfed = EnvoyPlaces(folder / "unfed", ports[4], ports[5], socket_path, outcomes, otlp_port)
        plain_envoy = envoy_child(plain, providers, without_sidecar)
        routed_envoy = envoy_child(routed, providers)
        unfed_envoy = envoy_child(unfed, providers, without_feed)
        try:
            async with aiohttp.ClientSession() as session:
                for child, url in (
                    (sidecar, readyz(http_port)),
                    (plain_envoy, plain.ready_url),
                    (routed_envoy, routed.ready_url),
                    (unfed_envoy, unfed.ready_url),
                ):
                    await child.start()
                    await wait_until_ready(session, url, child, START_SECONDS)
                for url in (routed.url, unfed.url):
                    await wait_for_decision(session, url, chat_request(GREETING), START_SECONDS)
                worker_pid, collector_pid = await _processes(session, sidecar, http_port)
            yield System(
                plain_url=plain.url,
                routed_url=routed.url,
                unfed_url=unfed.url,
                providers_pid=providers.pid,
                sidecar_pid=sidecar.pid,
                worker_pid=worker_pid,
                collector_pid=collector_pid,
                plain_envoy_pid=plain_envoy.pid,
                routed_envoy_pid=routed_envoy.pid,
                unfed_envoy_pid=unfed_envoy.pid,
            )
        finally:
            for child in (plain_envoy, routed_envoy, unfed_envoy, sidecar):
                await child.stop()


def sidecar_child(folder: Path, http_port: int) -> Child:
    """`sidecar serve` with the shipped policy and a socket in that folder, not yet started."""
    command = [sys.executable, "-m", "sidecar", "serve", "--policy", str(shipped_file("examples", "router.yaml"))]
    command += ["--socket", str(sidecar_sockets(folder, 1)[0]), "--outcomes", str(outcomes_socket(folder))]
    command += ["--http", f"127.0.0.1:{http_port}"]
    log = folder / "sidecar.log"
    # Whatever the environment says of traces: without a collector their export would be measured, too.
    return Child("sidecar", command, log=log, out=log, environment={"OTEL_SDK_DISABLED": "true"})


async def _processes(session: aiohttp.ClientSession, sidecar: Child, http_port: int) -> tuple[int, int]:
    """The one worker and the collector."""
    async with session.get(f"http://127.0.0.1:{http_port}/healthz") as answer:
        (worker,) = (await answer.json())["workers"]
    (collector,) = set(children(sidecar.pid)) - {worker}
    return worker, collector


def readyz(http_port: int) -> str:
    """Where the sidecar says that it is ready."""
    return f"http://127.0.0.1:{http_port}/readyz"
