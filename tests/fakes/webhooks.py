"""`sidecar webhook` as a process of its own, with its certificate in a volume like Kubernetes'."""

import asyncio
import json
import os
import signal
import socket
import ssl
import subprocess
import time
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from prometheus_client.parser import text_string_to_metric_families

from sidecar.injection.signing import KeyPair, issue
from tests.fakes.ports import free_port
from tests.fakes.serving import PATIENCE_SECONDS, get, sidecar_command

NAME = "llm-sidecar-webhook.llm-sidecar-system.svc"


def new_pair(now: datetime | None = None) -> KeyPair:
    """A certificate for the webhook's name, by a CA of its own, made then."""
    return issue([NAME], now or datetime.now(UTC))


class SecretVolume:
    """A folder whose files lead through a link, `..data`, to those of one version of a Secret."""

    def __init__(self, folder: Path) -> None:
        self.certificate, self.key = folder / "tls.crt", folder / "tls.key"
        self._folder = folder
        self._versions = 0
        for name in ("tls.crt", "tls.key"):
            (folder / name).symlink_to(f"..data/{name}")

    def publish(self, certificate: bytes, key: bytes) -> None:
        """As the kubelet does: a new folder beside the old one, then the link is swapped."""
        self._versions += 1
        version = self._folder / f"..version_{self._versions}"
        version.mkdir()
        (version / "tls.crt").write_bytes(certificate)
        (version / "tls.key").write_bytes(key)
        link = self._folder / "..data_tmp"
        link.symlink_to(version.name)
        link.rename(self._folder / "..data")


class WebhookProcess:
    """For one block; it is ready when the block starts. `folder` gets volume and log."""

    def __init__(self, folder: Path, pair: KeyPair, *arguments: object) -> None:
        (folder / "tls").mkdir()
        self.volume = SecretVolume(folder / "tls")
        self.volume.publish(pair.certificate, pair.key)
        self.port = free_port(2)
        self.http = f"http://127.0.0.1:{self.port + 1}"
        self._log = folder / "log"
        self._command = sidecar_command(
            *("webhook", "--listen", f"127.0.0.1:{self.port}", "--http", f"127.0.0.1:{self.port + 1}"),
            *("--certificate", self.volume.certificate, "--key", self.volume.key, "--drain-seconds", 1, *arguments),
        )

    def __enter__(self) -> Self:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(self._command, stderr=log)
        self.wait_for_line("ready at ")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()

    def log(self) -> str:
        """All that it has said so far."""
        return self._log.read_text()

    def wait_for_line(self, text: str, count: int = 1) -> str:
        """The latest of so many lines of its log that have this in them."""
        give_up = time.monotonic() + PATIENCE_SECONDS
        while len(found := [line for line in self.log().splitlines() if text in line]) < count:
            assert self._process.poll() is None and time.monotonic() < give_up, f"no {text!r}:\n{self.log()}"
            time.sleep(0.02)
        return found[-1]

    def tell(self, number: signal.Signals) -> None:
        """Send it that signal."""
        os.kill(self._process.pid, number)

    def wait(self) -> int:
        """Its exit code, when it has left."""
        return self._process.wait(PATIENCE_SECONDS)

    def peak_bytes(self) -> int:
        """The most memory that it has had."""
        (line,) = [it for it in Path(f"/proc/{self._process.pid}/status").read_text().splitlines() if "VmHWM" in it]
        return int(line.split()[1]) * 1024

    def counts(self, name: str) -> dict[str, float]:
        """A metric's samples by the value of their label; '' for one without."""
        return {
            next(iter(sample.labels.values()), ""): sample.value
            for family in text_string_to_metric_families(get(f"{self.http}/metrics")[1])
            for sample in family.samples
            if sample.name == name
        }


def trusting(*pairs: KeyPair) -> ssl.SSLContext:
    """Of an API server that has these CAs in the webhook's caBundle."""
    return ssl.create_default_context(cadata="".join(pair.ca.decode() for pair in pairs))


async def post(
    webhook: WebhookProcess, context: ssl.SSLContext, body: object, path: str = "/inject"
) -> tuple[int, str]:
    """Status and text, over a connection of its own; bytes go as they are."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return await asyncio.to_thread(_post, webhook.port, context, data, path)


def _post(port: int, context: ssl.SSLContext, body: bytes, path: str) -> tuple[int, str]:
    with (
        socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS) as connection,
        context.wrap_socket(connection, server_hostname=NAME) as tls,
    ):
        http = HTTPConnection(NAME)
        http.sock = tls
        http.request("POST", path, body)
        with http.getresponse() as response:
            return response.status, response.read().decode()


async def admit(webhook: WebhookProcess, context: ssl.SSLContext, review: object) -> dict[str, Any]:
    """The response in the AdmissionReview that comes back."""
    status, text = await post(webhook, context, review)
    assert status == 200, text
    response: dict[str, Any] = json.loads(text)["response"]
    return response
