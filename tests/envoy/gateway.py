"""The whole system on loopback, for one test or a module of tests: providers, sidecar, the real Envoy."""

import json
import os
import signal
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from sidecar.demo.envoy_config import LocalPlaces, write_envoy_files, write_keys
from sidecar.demo.places import outcomes_socket, sidecar_sockets
from sidecar.demo.preflight import find_envoy
from sidecar.demo.providers import ControlClient, ProviderProcess
from sidecar.demo.tether import tethered
from sidecar.envoyconfig.shipped import shipped_file
from tests.envoy.prompts import LEAST_TIERS, SIMPLE
from tests.fakes.ports import free_port

HOSTS = {
    "openai": "api.openai.com",
    "google": "generativelanguage.googleapis.com",
    "anthropic": "api.anthropic.com",
}

# Ejecting a model for what an earlier test did to it would make tests depend on their order.
NO_EJECTION = {"consecutive_5xx": 100_000, "consecutive_gateway_failure": 100_000}

# Tests are of what is decided and told, not of how soon: nobody gives up on a decision because the machine is busy,
# and what came of a request is told at once.
_PATIENT = {"message_timeout": "20s", "buffer_flush_interval": "0.1s"}
_PATIENT_CLASSIFIER = "classifier: {deadline_ms: 8000}"

# As shipped, for tests of what it costs that the sidecar is late.
HASTY = {"message_timeout": "0.1s"}

# Nothing here speaks TLS, and to load the authorities for a request takes longer than the request.
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

_START_SECONDS = 30


class Gateway:
    """`with Gateway() as gateway:` - ready when the block starts, gone when it ends.

    `config`: the name of one that ships, or any other, with the files that it names beside it.
    """

    def __init__(
        self,
        config: str | Path = "envoy.yaml",
        *,
        workers: int = 1,
        values: Mapping[str, Any] | None = None,
        otlp_port: int | None = None,
        environment: Mapping[str, str] | None = None,
        provider_options: Sequence[str] = (),
        policy: Path | None = None,
        wait_for_sidecar: bool = True,
        change: Callable[[dict[str, Any]], None] = lambda bootstrap: None,
        envoy: Path | None = None,
    ) -> None:
        self.port, self.admin_port, self.http_port = free_port(), free_port(), free_port()
        self._policy = policy
        self._config = config if isinstance(config, Path) else shipped_file("envoy", config)
        self._workers = workers
        # envoy-basic.yaml ejects nothing: its retries have nowhere else to go.
        ejection: Mapping[str, Any] = {} if config == "envoy-basic.yaml" else NO_EJECTION
        self._values = {**_PATIENT, **(ejection if values is None else values)}
        self._otlp_port = otlp_port
        self._environment = dict(environment or {})
        self._providers = ProviderProcess(provider_options)
        self._wait_for_sidecar = wait_for_sidecar
        self._change = change
        self._envoy_binary = envoy or find_envoy()
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self._sidecar: subprocess.Popen[bytes] | None = None
        self._envoy: subprocess.Popen[bytes] | None = None

    @property
    def folder(self) -> Path:
        """Where its files are: keys, logs, sockets."""
        if self._temporary is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="llm-")
        return Path(self._temporary.name)

    @property
    def url(self) -> str:
        """Where a client reaches it, without /v1."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def providers(self) -> ControlClient:
        """Faults to set, and the record of what arrived."""
        return self._providers.control

    @property
    def keys(self) -> dict[str, str]:
        """The key that each provider accepts."""
        return self._providers.keys

    @property
    def envoy_pid(self) -> int:
        assert self._envoy is not None
        return self._envoy.pid

    @property
    def sidecar_pid(self) -> int:
        assert self._sidecar is not None
        return self._sidecar.pid

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._envoy is not None:
            _end(self._envoy)
        if self._sidecar is not None and self._sidecar.poll() is None:
            self.kill_sidecar()  # to drain would take it a second or two
        self._providers.__exit__(kind, error, traceback)
        if self._temporary is not None:
            self._temporary.cleanup()

    def ask(self, prompt: str = SIMPLE, *, model: str = "auto", path: str = "/v1/chat/completions") -> httpx.Response:
        """One small request."""
        body: dict[str, Any] = {"model": model, "messages": [{"role": "user", "content": prompt}]}
        if path == "/v1/messages":
            body["max_tokens"] = 100  # Anthropic's API demands it
        return self.post(body, path)

    def post(
        self, body: Mapping[str, Any] | bytes, path: str = "/v1/chat/completions", **more: Any
    ) -> httpx.Response:
        """One request with that body."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"content-type": "application/json"} | dict(more.pop("headers", {}))
        return httpx.post(self.url + path, content=content, headers=headers, timeout=30, verify=NO_TLS, **more)

    def get(self, path: str, **more: Any) -> httpx.Response:
        """One request without a body."""
        return httpx.get(self.url + path, timeout=30, verify=NO_TLS, **more)

    def stat(self, name: str) -> int:
        """One of Envoy's counters or gauges."""
        text = httpx.get(f"http://127.0.0.1:{self.admin_port}/stats?filter=^{name}$", verify=NO_TLS).text
        return int(text.rpartition(": ")[2] or 0)

    def kill_sidecar(self) -> None:
        """kill -9, workers and collector as well."""
        assert self._sidecar is not None
        children = self._children()
        self._sidecar.kill()
        self._sidecar.wait()
        for pid in children:
            self.kill(pid)
        self._wait_for_end(children)

    def kill_workers(self) -> None:
        """kill -9; they are started again after a second."""
        pids = self.worker_pids()
        for pid in pids:
            self.kill(pid)
        self._wait_for_end(pids)

    def kill_collector(self) -> None:
        """kill -9; it is started again after a second."""
        pid = self.collector_pid
        self.kill(pid)
        self._wait_for_end([pid])

    def wait_for_collector(self) -> None:
        """It is there again."""
        self._wait(self._is_ready, "the collector")

    def worker_pids(self) -> list[int]:
        """The processes that decide, by number of the worker."""
        url = f"http://127.0.0.1:{self.http_port}/healthz"
        pids: list[int] = httpx.get(url, timeout=10, verify=NO_TLS).json()["workers"]
        return pids

    @property
    def collector_pid(self) -> int:
        """The process that takes Envoy's log."""
        (pid,) = set(self._children()) - set(self.worker_pids())
        return pid

    def kill(self, pid: int) -> None:
        """kill -9 one process."""
        with suppress(ProcessLookupError):  # the sidecar's parent takes its children with it
            os.kill(pid, signal.SIGKILL)

    def signal_sidecar(self, number: signal.Signals) -> None:
        """SIGSTOP and SIGCONT go to the workers, any other signal to their parent, which passes it on."""
        is_for_workers = number in (signal.SIGSTOP, signal.SIGCONT)
        for pid in self.worker_pids() if is_for_workers else [self.sidecar_pid]:
            os.kill(pid, number)

    def start_sidecar(self) -> None:
        """The first time, or again after a kill; returns when it is ready."""
        policy = self._policy or self._write_policy()
        command = [sys.executable, "-m", "sidecar", "serve", "--policy", str(policy)]
        command += ["--socket", str(self.folder / "sidecar.sock"), "--outcomes", str(outcomes_socket(self.folder))]
        command += ["--http", f"127.0.0.1:{self.http_port}", "--workers", str(self._workers)]
        with (self.folder / "sidecar.log").open("ab") as log, (self.folder / "records.jsonl").open("ab") as records:
            self._sidecar = subprocess.Popen(
                tethered(command), stdout=records, stderr=log, env=os.environ | self._environment
            )
        self._wait(self._is_ready, "the sidecar")

    def wait_until_deciding(self) -> None:
        """Envoy's health check has found the sidecar."""
        self._wait(lambda: "x-llm-reason" in self.ask().headers, "a first decision")

    def wait_for_health(self) -> None:
        """Envoy's health check has found whatever answers in the sidecar's place."""
        self._wait(lambda: self.stat("cluster.sidecar.membership_healthy") == 1, "a healthy sidecar")

    def find_log_entry(self, decision_id: str) -> dict[str, Any]:
        """The line of Envoy's access log on that decision."""
        return self._find_line("envoy.out", lambda line: line["decision_id"] == decision_id)

    def find_record(self, decision_id: str) -> dict[str, Any]:
        """The request record of that decision; written when Envoy has told of all of its attempts."""
        return self.wait_for_record(lambda record: record["decision_id"] == decision_id)

    def wait_for_record(self, is_it: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The latest record of which that is true."""
        return self._find_line("records.jsonl", lambda line: "result" in line and is_it(line))

    def _find_line(self, name: str, is_it: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        found: dict[str, Any] = {}

        def is_written() -> bool:
            for line in (self.folder / name).read_text().splitlines(keepends=True):
                if line.endswith("\n") and is_it(entry := json.loads(line)):
                    found.clear()
                    found.update(entry)
            return bool(found)

        self._wait(is_written, f"the line of {name}")
        return found

    def _is_ready(self) -> bool:
        return _get(f"http://127.0.0.1:{self.http_port}/readyz") == 200

    def _children(self) -> list[int]:
        children = Path(f"/proc/{self.sidecar_pid}/task/{self.sidecar_pid}/children").read_text()
        return [int(pid) for pid in children.split()]

    def _wait_for_end(self, pids: Sequence[int]) -> None:
        give_up = time.monotonic() + _START_SECONDS
        while any(_is_alive(pid) for pid in pids):
            if time.monotonic() > give_up:
                raise RuntimeError(f"some of {pids} do not end: {self._logs()}")
            time.sleep(0.01)

    def _start(self) -> None:
        self._providers.__enter__()
        if self._wait_for_sidecar:
            self.start_sidecar()
        self._start_envoy()
        self._wait(lambda: _get(f"http://127.0.0.1:{self.admin_port}/ready") == 200, "Envoy")
        if self._wait_for_sidecar:
            self.wait_until_deciding()
            self.providers.clear_requests()

    def _write_policy(self) -> Path:
        """The example that ships, with what `prompts` needs to reach every tier, however busy the machine is."""
        policy = self.folder / "router.yaml"
        parts = [shipped_file("examples", "router.yaml").read_text(), LEAST_TIERS, _PATIENT_CLASSIFIER, ""]
        policy.write_text("\n".join(parts))
        return policy

    def write_bootstrap(self, folder: Path, provider_ports: Mapping[str, int] | None = None) -> Path:
        """Envoy's configuration with all places in that folder; also without anything running."""
        places = LocalPlaces(
            folder=folder,
            envoy_port=self.port,
            admin_port=self.admin_port,
            provider_ports={host: (provider_ports or {}).get(name, 1) for name, host in HOSTS.items()},
            ca_file=self._providers.ca_file or Path("/etc/ssl/certs/ca-certificates.crt"),
            sidecar_sockets=sidecar_sockets(folder, self._workers),
            outcomes_socket=outcomes_socket(folder),
            otlp=("127.0.0.1", self._otlp_port) if self._otlp_port else None,
            values=self._values,
        )
        write_keys(places, self.keys or dict.fromkeys(HOSTS, "a-key"))
        bootstrap = write_envoy_files(self._config, places)
        written = json.loads(bootstrap.read_text())
        self._change(written)
        bootstrap.write_text(json.dumps(written))
        return bootstrap

    def _start_envoy(self) -> None:
        bootstrap = self.write_bootstrap(self.folder, self._providers.ports)
        command = [str(self._envoy_binary), "-c", str(bootstrap), "--concurrency", "1", "--log-level", "warning"]
        command += ["--component-log-level", "ext_proc:error", "--disable-hot-restart"]
        command += ["--file-flush-interval-msec", "100"]  # of the access log
        with (self.folder / "envoy.out").open("wb") as out, (self.folder / "envoy.log").open("wb") as log:
            self._envoy = subprocess.Popen(tethered(command), stdout=out, stderr=log)

    def _wait(self, is_true: Callable[[], bool], what: str) -> None:
        give_up = time.monotonic() + _START_SECONDS
        while not is_true():
            for name, process in (("sidecar", self._sidecar), ("envoy", self._envoy)):
                if process is not None and process.poll() is not None:
                    raise RuntimeError(f"{name} ended with {process.returncode}: {self._logs()}")
            if time.monotonic() > give_up:
                raise RuntimeError(f"no sign of {what} in {_START_SECONDS} s: {self._logs()}")
            time.sleep(0.05)

    def _logs(self) -> str:
        logs = [self.folder / "sidecar.log", self.folder / "envoy.log"]
        return "\n".join(log.read_text()[-2000:] for log in logs if log.exists())


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _is_alive(pid: int) -> bool:
    """Also a zombie has ended: its parent may not have noticed yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _get(url: str) -> int:
    try:
        return httpx.get(url, timeout=2, verify=NO_TLS).status_code
    except httpx.TransportError:
        return 0
