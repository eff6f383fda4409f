"""A pod without a cluster: its containers as processes, started and ended in the kubelet's order."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from sidecar.demo.preflight import find_envoy
from tests.fakes.ports import free_port
from tests.fakes.serving import sidecar_command

PATIENCE_SECONDS = 120

PORTS = (10000, 9901, 9902, 9903)
"""Of one pod; every pod here has others, since all share an address."""

FOLDERS = {"/etc/sidecar": "sidecar", "/etc/envoy": "envoy", "/etc/llm-keys": "keys", "/run/llm": "run"}
"""What its volumes are mounted at, and their folders here."""


class Container:
    """One process, and all it says."""

    def __init__(self, name: str, command: Sequence[str], **options: Any) -> None:
        self.name = name
        self.process: subprocess.Popen[str] = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
        )
        self.out: list[str] = []
        self.log: list[str] = []
        self._readers = [self._read(self.process.stdout, self.out), self._read(self.process.stderr, self.log)]

    def end(self) -> int:
        """SIGTERM; returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def wait(self) -> int:
        """The exit code, once it has ended and all that it said is read."""
        try:
            code = self.process.wait(PATIENCE_SECONDS)
        finally:
            if self.process.returncode is None:
                self.process.kill()
                self.process.wait()
            for reader in self._readers:
                reader.join()
        return code

    def _read(self, stream: IO[str] | None, into: list[str]) -> threading.Thread:
        assert stream is not None

        def read() -> None:
            with stream:
                into.extend(stream)

        thread = threading.Thread(target=read)
        thread.start()
        return thread


class Pod:
    """One pod for one block. `spec` as Kubernetes has it; `policy`: the text of router.yaml.

    `image`: how our image's entrypoint is started; `environment`, `user`: of all containers. By default as the tests.
    `confined`: what native sidecars are started by.
    """

    def __init__(
        self,
        spec: Mapping[str, Any],
        folder: Path,
        policy: str,
        *,
        image: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        user: int | None = None,
        confined: Sequence[str] = (),
    ) -> None:
        self.ports = {port: free_port() for port in PORTS}
        self.containers: dict[str, Container] = {}
        self.seconds: dict[str, float] = {}
        """How long each init container took, to its end or until it had started up."""
        self._spec = spec
        self._folder = folder
        self._image = list(image) or sidecar_command()
        self._confined = list(confined)
        self._environment = os.environ if environment is None else environment
        self._users: dict[str, Any] = {} if user is None else {"user": user, "group": user, "extra_groups": []}
        for name in FOLDERS.values():
            (folder / name).mkdir(parents=True)
            (folder / name).chmod(0o777)  # as emptyDirs are
        (folder / "sidecar" / "router.yaml").write_text(policy)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.kill()

    @property
    def port(self) -> int:
        """Of its Envoy, for clients."""
        return self.ports[10000]

    def is_ready(self) -> bool:
        """By its readiness probes."""
        probes = [it["readinessProbe"] for it in self._spec["initContainers"] if "readinessProbe" in it]
        return all(self._succeeds(probe) for probe in probes)

    def terminate(self) -> dict[str, int]:
        """Main containers, then native sidecars, the last first. Returns the exit codes."""
        mains = [self.containers[it["name"]] for it in self._spec["containers"]]
        for main in mains:
            main.process.send_signal(signal.SIGTERM)
        codes = {main.name: main.wait() for main in mains}
        for sidecar in reversed([self.containers[it["name"]] for it in self._spec["initContainers"] if _stays(it)]):
            codes[sidecar.name] = sidecar.end()
        return codes

    def start(self) -> None:
        """Each native sidecar once the one before it has started up, then the main containers."""
        for written in self._spec["initContainers"]:
            began = time.monotonic()
            container = self._run(written)
            if _stays(written):
                self._wait_for(written, container)
            elif container.wait() != 0:
                raise RuntimeError(f"{container.name}: {container.log}")
            else:
                self._relocate()
            self.seconds[container.name] = time.monotonic() - began
        for written in self._spec["containers"]:
            self._run(written)

    def kill(self) -> None:
        """Whatever still runs, the last first: an Envoy whose sidecar is gone goes on."""
        for container in reversed(self.containers.values()):
            if container.process.poll() is None:
                container.end()

    def _run(self, written: Mapping[str, Any]) -> Container:
        programs = {"envoy": [str(find_envoy())], "python": [sys.executable]}
        program, *rest = written.get("command", [""])
        entrypoint = [*programs[program], *rest] if program else self._image
        command = [*entrypoint, *(self._here(argument) for argument in written.get("args", []))]
        if _stays(written):
            command = [*self._confined, *command]
        own = {it["name"]: self._here(it["value"]) for it in written.get("env", [])}
        container = Container(written["name"], command, cwd="/", env={**self._environment, **own}, **self._users)
        self.containers[container.name] = container
        return container

    def _here(self, text: str) -> str:
        """With the folders and ports of this pod."""
        for named, name in FOLDERS.items():
            text = text.replace(named, str(self._folder / name))
        text = re.sub(rf":({'|'.join(map(str, PORTS))})\b", lambda found: f":{self.ports[int(found[1])]}", text)
        return text.replace("0.0.0.0", "127.0.0.1")

    def _relocate(self) -> None:
        """What was rendered names the folders of the containers."""
        for file in (self._folder / "envoy").iterdir():
            file.write_text(self._here(file.read_text()))

    def _wait_for(self, written: Mapping[str, Any], container: Container) -> None:
        give_up = time.monotonic() + PATIENCE_SECONDS
        while not self._succeeds(written["startupProbe"]):
            if container.process.poll() is not None or time.monotonic() > give_up:
                raise RuntimeError(f"{container.name} does not start up: {container.log}")
            time.sleep(0.05)

    def _succeeds(self, probe: Mapping[str, Any]) -> bool:
        asked = probe["httpGet"]
        try:
            url = f"http://127.0.0.1:{self.ports[asked['port']]}{asked['path']}"
            with urllib.request.urlopen(url, timeout=PATIENCE_SECONDS):
                return True
        except urllib.error.HTTPError as error:
            error.close()
            return False
        except OSError:
            return False


def _stays(container: Mapping[str, Any]) -> bool:
    """Whether it is a native sidecar."""
    return container.get("restartPolicy") == "Always"
