"""The real Envoy with a configuration that `sidecar envoy` wrote, in a folder instead of /etc and /run."""

import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from sidecar.demo.preflight import find_envoy
from sidecar.demo.tether import tethered
from tests.fakes.ports import free_port
from tests.fakes.serving import sidecar_command

PATIENCE_SECONDS = 30


def render(
    policy: Path, folder: Path, *options: object, elsewhere: Mapping[str, Path], command: Sequence[str] = ()
) -> Path:
    """Envoy's file, written into the folder by the command line; `elsewhere` has places of the folders that it names.

    `command`: which `sidecar` writes it; by default that of the Python that runs the tests.
    """
    line = [*(command or sidecar_command()), "envoy", str(policy), "--out", str(folder), *map(str, options)]
    subprocess.run(line, check=True, capture_output=True, timeout=PATIENCE_SECONDS)
    for file in folder.glob("*.yaml"):
        text = file.read_text()
        for named, place in elsewhere.items():
            text = text.replace(named, str(place))
        file.write_text(text)
    return folder / "envoy.yaml"


class RenderedEnvoy:
    """An Envoy for one block, live when the block starts. `options`: further ones of `sidecar envoy`.

    Its files are in `folder`; its keys are looked for in folder/keys, and the sidecar's sockets in the folder itself.
    """

    def __init__(self, policy: Path, folder: Path, *options: object) -> None:
        self.folder = folder
        self.port, self.admin_port, self.status_port = free_port(), free_port(), free_port()
        self._policy = policy
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.write()
        self.start()
        self.wait_until_live()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None
        return self._process

    def write(self) -> None:
        """Its files, and nothing more."""
        places = {"/etc/envoy": self.folder, "/etc/llm-keys": self.folder / "keys", "/run/llm": self.folder}
        at = [f"--{name}=127.0.0.1:{port}" for name, port in self._ports().items()]
        render(self._policy, self.folder, *at, *self._options, elsewhere=places)

    def start(self) -> None:
        """The first time, or again; it may not be live yet."""
        command = [str(find_envoy()), "--config-path", str(self.folder / "envoy.yaml"), "--disable-hot-restart"]
        command += ["--concurrency", "1", "--log-level", "warning"]
        with (self.folder / "envoy.out").open("wb") as out, (self.folder / "envoy.log").open("wb") as log:
            self._process = subprocess.Popen(tethered(command), stdout=out, stderr=log)

    def wait_until_live(self) -> None:
        """Raises RuntimeError for one that ends before."""
        give_up = time.monotonic() + PATIENCE_SECONDS
        while self.ask_admin("/ready")[0] != 200:
            if self.process.poll() is not None or time.monotonic() > give_up:
                self.stop()
                raise RuntimeError(f"Envoy does not come up: {(self.folder / 'envoy.log').read_text()[-2000:]}")
            time.sleep(0.02)

    def stop(self) -> None:
        """As the kubelet does it: SIGTERM. Nothing, if it does not run."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(PATIENCE_SECONDS)

    def ask_admin(self, path: str, method: str = "GET") -> tuple[int, str]:
        """Status, 0 if it cannot be reached, and text."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.admin_port}{path}", method=method)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as response:  # noqa: S310 - our own port
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def stat(self, name: str) -> int:
        """One of its counters or gauges."""
        return int(self.ask_admin(f"/stats?filter=^{name}$")[1].rpartition(": ")[2] or 0)

    def _ports(self) -> dict[str, int]:
        return {"listen": self.port, "admin": self.admin_port, "status": self.status_port}
