"""Pods come and go under load, as processes in the order of the kubelet: no request is lost, and no stream is cut."""

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest

from sidecar.injection.pod import inject
from tests.fakes.held_provider import HeldProvider, held_provider
from tests.fakes.kubelet import Pod
from tests.fakes.manifests import find, overlay, pod_template
from tests.fakes.pods import pod as template
from tests.fakes.serving import eventually

PATIENCE_SECONDS = 120

CLIENTS = 4

# Connections that the Service still opens to a pod that ends: kube-proxy hears of it later than the pod.
LATE_CONNECTIONS = 5

ENDED_WELL = {"drain": 0, "llm-envoy": 0, "llm-router": 0}

WHOLE_STREAM = b"data: first\n\ndata: [DONE]\n\n"

# Asks until it is told to end, and a while longer; a stream goes on all the time.
APPLICATION = """
import http.client, json, os, signal, urllib.parse

told = []
signal.signal(signal.SIGTERM, lambda *_: told.append(True))
base = urllib.parse.urlsplit(os.environ["OPENAI_BASE_URL"])


def post(connection, **more):
    body = {"model": "auto", "messages": [{"role": "user", "content": "hi there, thanks a lot!"}], **more}
    headers = {"content-type": "application/json"}
    connection.request("POST", base.path + "/chat/completions", json.dumps(body), headers)
    return connection.getresponse()


stream = post(http.client.HTTPConnection(base.netloc), stream=True)
lost = stream.readline() != b"data: first\\n"
print("streaming", flush=True)
connection, last = http.client.HTTPConnection(base.netloc), 20
while last:
    if told:
        last -= 1
    with post(connection) as answer:
        answer.read()
        lost += answer.status != 200
print("ending", flush=True)
lost += not stream.read().endswith(b"data: [DONE]\\n\\n")
print(lost, "lost")
"""

CHAT = {"model": "auto", "messages": [{"role": "user", "content": "hi there, thanks a lot!"}]}


@pytest.fixture
def provider() -> Iterator[HeldProvider]:
    with held_provider() as provider:
        yield provider


@pytest.fixture
def folder() -> Iterator[Path]:
    """Short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="llm-") as name:
        yield Path(name)


@dataclass
class Endpoint:
    """A pod, as the Service sees it."""

    pod: Pod
    late: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a pod that is to end has had its late connections."""
    left: int | None = None
    """How many connections are still to come; None: it is not going to end."""


class Service:
    """Opens each connection to another pod in turn, as kube-proxy does; connections stay where they are."""

    def __init__(self) -> None:
        self.endpoints: list[Endpoint] = []
        self._writers: set[asyncio.StreamWriter] = set()

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[str]:
        """Where it is."""
        server = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        host, port = server.sockets[0].getsockname()
        try:
            yield f"http://{host}:{port}"
        finally:
            server.close()
            for writer in self._writers:
                writer.close()
            await server.wait_closed()

    def add(self, pod: Pod) -> Endpoint:
        """Once its readiness probe succeeds."""
        assert pod.is_ready()
        endpoint = Endpoint(pod)
        self.endpoints.append(endpoint)
        return endpoint

    async def remove(self, endpoint: Endpoint) -> None:
        """After it got some more connections."""
        endpoint.left = LATE_CONNECTIONS
        await endpoint.late.wait()

    def _next(self) -> Endpoint:
        endpoint = self.endpoints.pop(0)
        if endpoint.left is not None:
            endpoint.left -= 1
        if endpoint.left == 0:
            endpoint.late.set()
        else:
            self.endpoints.append(endpoint)
        return endpoint

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._next().pod.port)
        both = {writer, there_writer}
        self._writers |= both
        await asyncio.gather(_pump(reader, there_writer), _pump(there_reader, writer))
        self._writers -= both


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:  # the other side sees it as its own
        pass
    finally:
        writer.close()


class Load:
    """Clients that ask one request after the other, until they are told to end.

    All but one keep their connections; that one opens another for each request.
    """

    def __init__(self, url: str) -> None:
        self._url = f"{url}/v1/chat/completions"
        self._is_over = False
        self.answers: list[int] = []
        """The status of each."""

    async def run(self) -> None:
        """Raises what a lost request raises."""
        connectors = [aiohttp.TCPConnector(force_close=index == 0) for index in range(CLIENTS)]
        async with asyncio.TaskGroup() as clients:
            for connector in connectors:
                clients.create_task(self._ask(connector))

    def end(self) -> None:
        """Each client after its request."""
        self._is_over = True

    async def _ask(self, connector: aiohttp.TCPConnector) -> None:
        timeout = aiohttp.ClientTimeout(total=PATIENCE_SECONDS)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
            while not self._is_over:
                async with session.post(self._url, json=CHAT) as answer:
                    await answer.read()
                    self.answers.append(answer.status)


class Stream:
    """One answer that goes on until the provider lets it end."""

    def __init__(self, url: str) -> None:
        self._url = f"{url}/v1/chat/completions"
        self.has_begun = asyncio.Event()

    async def read(self) -> bytes:
        """All of it."""
        timeout = aiohttp.ClientTimeout(total=PATIENCE_SECONDS)
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.post(self._url, json=CHAT | {"stream": True}) as answer,
        ):
            first = await answer.content.readline()
            self.has_begun.set()
            return first + await answer.content.read()


def statuses(*pods: Pod) -> list[int]:
    """Of the request records that their routers wrote."""
    return [json.loads(line)["status"] for pod in pods for line in pod.containers["llm-router"].out]


def gateway_pod(folder: Path, provider: HeldProvider) -> Pod:
    """As the overlay has it."""
    written = pod_template(find(overlay("gateway"), "Deployment", "llm-gateway"))
    assert written is not None
    return Pod(written["spec"], folder, provider.policy)


def test_a_rolling_restart_of_the_gateway_loses_nothing(folder: Path, provider: HeldProvider) -> None:
    """One more pod first, then one less, as the Deployment's strategy says."""
    old = [gateway_pod(folder / f"old-{index}", provider) for index in range(2)]
    new = [gateway_pod(folder / f"new-{index}", provider) for index in range(2)]

    async def replace(service: Service, endpoint: Endpoint, successor: Pod) -> bytes:
        provider.let_go.clear()
        stream = Stream(f"http://127.0.0.1:{endpoint.pod.port}")
        reading = asyncio.create_task(stream.read())
        await stream.has_begun.wait()
        await asyncio.to_thread(successor.start)
        service.add(successor)
        ending = asyncio.create_task(asyncio.to_thread(endpoint.pod.terminate))
        await service.remove(endpoint)
        provider.let_go.set()
        assert await ending == ENDED_WELL
        return await reading

    async def restart(service: Service, url: str) -> tuple[list[int], list[bytes]]:
        endpoints = [service.add(pod) for pod in old]
        load = Load(url)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(load.run())
            streams = [await replace(service, *pair) for pair in zip(endpoints, new, strict=True)]
            load.end()
        for pod in new:
            assert await asyncio.to_thread(pod.terminate) == ENDED_WELL
        return load.answers, streams

    async def run() -> tuple[list[int], list[bytes]]:
        service = Service()
        async with service.serve() as url:
            return await restart(service, url)

    with ExitStack() as stack:
        for pod in [*old, *new]:
            stack.callback(pod.kill)
        for pod in old:
            pod.start()
        answers, streams = asyncio.run(run())

    assert set(answers) == {200}
    assert streams == [WHOLE_STREAM] * 2
    # Also what became of each is known: Envoy has told of it before it ended.
    assert statuses(*old, *new).count(200) == len(answers) + len(streams)


def test_the_requests_of_an_application_that_ends_are_answered_to_the_last(
    folder: Path, provider: HeldProvider
) -> None:
    """By the order alone: the application, then Envoy, then the router."""
    app = {"name": "app", "image": "registry.example/app:1", "command": ["python", "-c", APPLICATION]}
    injected = inject(template({"base-urls": "true", "keys": "none"}, containers=[app]))

    with Pod(injected["spec"], folder / "pod", provider.policy) as pod, ThreadPoolExecutor(1) as thread:
        application = pod.containers["app"]
        eventually(lambda: application.out[:1], ["streaming\n"])
        ending = thread.submit(pod.terminate)
        eventually(lambda: application.out[1:2], ["ending\n"])
        provider.let_go.set()
        assert ending.result() == {"app": 0, "llm-envoy": 0, "llm-router": 0}

    assert application.out[2:] == ["0 lost\n"]
