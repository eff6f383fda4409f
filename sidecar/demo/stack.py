"""The parts of the demo in the order in which they come up, and what happens when one of them goes."""

import asyncio
import signal
import sys
import time
from pathlib import Path

import aiohttp

from sidecar.demo.child import Child
from sidecar.demo.envoy_config import LocalPlaces, write_envoy_files, write_keys
from sidecar.demo.guide import GREETING, chat_request, print_guide
from sidecar.demo.options import DemoOptions
from sidecar.demo.places import outcomes_socket, sidecar_sockets
from sidecar.demo.providers import EmbeddedProviders
from sidecar.demo.providers.control import ControlPort
from sidecar.demo.readiness import NotReadyError, wait_for_decision, wait_until_ready
from sidecar.demo.screen import Screen
from sidecar.envoyconfig.shipped import shipped_file

# A start takes about a second; a cold disk or a busy laptop may need many times that.
START_SECONDS = 60.0
FIRST_DECISION_SECONDS = 10.0
RESTART_SECONDS = 10.0

# Long enough to see the words of a stream arrive.
EVENT_SECONDS = 0.05


class DemoStack:
    """Providers, sidecar and Envoy. `otlp`: host and port of a trace collector, or None."""

    def __init__(
        self,
        options: DemoOptions,
        folder: Path,
        envoy: Path,
        otlp: tuple[str, int] | None,
        screen: Screen,
    ) -> None:
        self.screen = screen
        self._options = options
        self._folder = folder
        self._otlp = otlp
        self._providers = EmbeddedProviders(event_seconds=EVENT_SECONDS, ca_dir=folder)
        self._control = ControlPort(self._providers, port=options.control_port)
        self._policy = shipped_file("examples", "router.yaml")
        self._source = shipped_file("envoy", options.envoy_file)
        self._sidecar = self._sidecar_child()
        self._envoy = Child(
            "envoy",
            [
                str(envoy),
                *("--config-path", str(folder / "envoy.json")),
                *("--concurrency", "2"),
                *("--log-level", "warning"),
                # It would share memory with any other Envoy on this machine.
                "--disable-hot-restart",
            ],
            log=folder / "envoy.log",
            out=folder / "access.log",
        )

    async def run(self) -> None:
        """Start everything and watch it; returns only when Envoy has ended. Raises NotReadyError."""
        self.screen.title("envoy-llm-sidecar demo")
        async with aiohttp.ClientSession() as session:
            await self._start(session)
            print_guide(self.screen, self._options, self._sidecar.pid)
            self.screen.title(f"Ready: http://127.0.0.1:{self._options.envoy_port}/v1 (Ctrl-C stops it)")
            await self._watch(session)
        self.screen.trouble(f"Envoy {_how(self._envoy.exit_code)}:\n{self._envoy.tail()}")

    async def stop(self) -> None:
        """End everything, Envoy first, so that no request meets a gap."""
        await self._envoy.stop()
        await self._sidecar.stop()
        await self._control.stop()
        await self._providers.stop()

    async def _start(self, session: aiohttp.ClientSession) -> None:
        await self._providers.start()
        await self._control.start()
        ports = ", ".join(f"{name} :{port}" for name, port in self._providers.ports.items())
        self.screen.step("providers", f"{ports} (TLS by a private CA), faults at :{self._control.port}")
        self._write_files()
        await self._start_child(session, self._sidecar, self._readyz, f"policy {_short(self._policy)}")
        admin = f"http://127.0.0.1:{self._options.admin_port}"
        await self._start_child(session, self._envoy, f"{admin}/ready", f"{_short(self._source)}, admin at {admin}")
        self.screen.step("check", await self._first_decision(session))

    def _write_files(self) -> None:
        if self._providers.ca_file is None:
            raise NotReadyError("the providers have no certificates")
        places = LocalPlaces(
            folder=self._folder,
            envoy_port=self._options.envoy_port,
            admin_port=self._options.admin_port,
            provider_ports=self._providers.ports_by_host,
            ca_file=self._providers.ca_file,
            sidecar_sockets=sidecar_sockets(self._folder, self._options.workers),
            outcomes_socket=outcomes_socket(self._folder),
            otlp=self._otlp,
        )
        write_keys(places, self._providers.keys)
        write_envoy_files(self._source, places)

    async def _start_child(self, session: aiohttp.ClientSession, child: Child, url: str, what: str) -> None:
        started = time.monotonic()
        await child.start()
        await wait_until_ready(session, url, child, START_SECONDS)
        self.screen.step(child.name, f"{what}; pid {child.pid}, ready in {time.monotonic() - started:.1f} s")

    async def _first_decision(self, session: aiohttp.ClientSession) -> str:
        url = f"http://127.0.0.1:{self._options.envoy_port}/v1/chat/completions"
        try:
            first = await wait_for_decision(session, url, chat_request(GREETING), FIRST_DECISION_SECONDS)
        except NotReadyError as error:
            raise NotReadyError(f"{error}\n{self._envoy.tail()}\n{self._sidecar.tail()}") from error
        return f'"{GREETING}" goes to {first.model} (tier {first.tier}, reason {first.reason})'

    async def _watch(self, session: aiohttp.ClientSession) -> None:
        """Until Envoy ends."""
        tasks = {
            asyncio.create_task(self._envoy.ended()),
            asyncio.create_task(self._keep_sidecar(session)),
        }
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    async def _keep_sidecar(self, session: aiohttp.ClientSession) -> None:
        """Start the sidecar again whenever it has died, after a time to watch Envoy go on without it."""
        while True:
            code = await self._sidecar.ended()
            self._sidecar.kill_group()
            self.screen.event(
                f"the sidecar {_how(code)}: requests go on with Envoy's default plan; "
                f"it starts again in {RESTART_SECONDS:.0f} s"
            )
            await asyncio.sleep(RESTART_SECONDS)
            await self._sidecar.start()
            try:
                await wait_until_ready(session, self._readyz, self._sidecar, START_SECONDS)
            except NotReadyError as error:
                self.screen.trouble(str(error))
            else:
                self.screen.event(f"the sidecar is back, pid {self._sidecar.pid}: requests are decided again")

    @property
    def _readyz(self) -> str:
        return f"http://127.0.0.1:{self._options.http_port}/readyz"

    def _sidecar_child(self) -> Child:
        options = self._options
        command = [sys.executable, "-m", "sidecar", "serve"]
        command += ["--policy", str(self._policy)]
        command += ["--socket", str(sidecar_sockets(self._folder, 1)[0])]
        command += ["--outcomes", str(outcomes_socket(self._folder))]
        command += ["--http", f"127.0.0.1:{options.http_port}"]
        command += ["--workers", str(options.workers)]
        environment = {}
        if self._otlp is not None:
            environment["OTEL_EXPORTER_OTLP_ENDPOINT"] = f"http://{self._otlp[0]}:{self._otlp[1]}"
        log, records = self._folder / "sidecar.log", self._folder / "records.jsonl"
        return Child("sidecar", command, log=log, out=records, environment=environment)


def _how(exit_code: int | None) -> str:
    if exit_code is not None and exit_code < 0:
        return f"was killed by {signal.Signals(-exit_code).name}"
    return f"ended with {exit_code}"


def _short(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"
