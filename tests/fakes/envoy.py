"""Envoy's side of the wire: what its ext_proc filter sends, over a real connection."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.json_format import MessageToDict
from grpc_health.v1 import health_pb2, health_pb2_grpc

from sidecar.extproc import names
from sidecar.extproc.ext_proc_pb2 import (
    HeaderMap,
    HeaderMutation,
    HeaderValue,
    HttpBody,
    HttpHeaders,
    ProcessingMode,
    ProcessingRequest,
    ProcessingResponse,
    ProtocolConfiguration,
)

PATIENCE_SECONDS = 20
"""A test that waits longer than this has found a hang."""

_UNLIMITED = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]


def request_headers(
    path: str = "/v1/chat/completions",
    method: str = "POST",
    *,
    end_of_stream: bool = False,
    body_mode: ProcessingMode.BodySendMode = ProcessingMode.NONE,
    **more: str,
) -> ProcessingRequest:
    """The first message of every stream; `body_mode` is what Envoy says it was configured with."""
    headers = {":method": method, ":path": path, "content-type": "application/json"}
    headers |= {name.replace("_", "-"): value for name, value in more.items()}
    values = [HeaderValue(key=key, raw_value=value.encode("latin-1")) for key, value in headers.items()]
    return ProcessingRequest(
        request_headers=HttpHeaders(headers=HeaderMap(headers=values), end_of_stream=end_of_stream),
        protocol_config=ProtocolConfiguration(request_body_mode=body_mode),
    )


def request_body(body: bytes, *, end_of_stream: bool = True) -> ProcessingRequest:
    """The second message, with the whole body unless Envoy streams."""
    return ProcessingRequest(request_body=HttpBody(body=body, end_of_stream=end_of_stream))


@dataclass(frozen=True)
class Answers:
    """What came back on one stream that the server has ended."""

    replies: Sequence[ProcessingResponse]
    code: grpc.StatusCode
    details: str

    @property
    def last(self) -> ProcessingResponse:
        """The server's last word."""
        return self.replies[-1]


class FakeEnvoy:
    """One connection to a sidecar."""

    def __init__(self, target: str) -> None:
        # Without a pool of its own the channel would be shared with those of earlier tests.
        self._channel = grpc.aio.insecure_channel(target, [*_UNLIMITED, ("grpc.use_local_subchannel_pool", 1)])
        self._health = health_pb2_grpc.HealthStub(self._channel)

    async def close(self) -> None:
        """End it."""
        await self._channel.close(grace=None)

    def open_stream(self, metadata: Sequence[tuple[str, str]] = ()) -> Any:
        """A stream to write to and read from by hand."""
        process: Any = self._channel.stream_stream(
            f"/{names.SERVICE}/Process",
            request_serializer=ProcessingRequest.SerializeToString,
            response_deserializer=ProcessingResponse.FromString,
        )
        return process(metadata=tuple(metadata), wait_for_ready=True)

    async def ask(self, *messages: ProcessingRequest, metadata: Sequence[tuple[str, str]] = ()) -> Answers:
        """Send one message after the other, each when the one before it was answered.

        The stream is left open on this side: it has to be the server that ends it.
        """
        replies = []
        async with asyncio.timeout(PATIENCE_SECONDS):
            stream = self.open_stream(metadata)
            try:
                for message in messages:
                    await stream.write(message)
                    replies.append(await stream.read())
                replies.append(await stream.read())
            except grpc.aio.AioRpcError as error:
                return Answers(replies, error.code(), error.details() or "")
            assert replies.pop() is grpc.aio.EOF  # type: ignore[attr-defined]  # the published stubs lack it
            return Answers(replies, await stream.code(), await stream.details())

    async def health(self, service: str = names.SERVICE) -> str:
        """`SERVING` or `NOT_SERVING`."""
        reply = await self._health.Check(health_pb2.HealthCheckRequest(service=service), wait_for_ready=True)
        return _status_name(reply)

    async def wait_for_health(self, status: str, watching: asyncio.Event | None = None) -> None:
        """Returns when the server says so; sets `watching` with its first word."""
        watch = self._health.Watch(health_pb2.HealthCheckRequest(service=names.SERVICE))
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while _status_name(await watch.read()) != status:
                    if watching is not None:
                        watching.set()
        finally:
            watch.cancel()


def _status_name(reply: health_pb2.HealthCheckResponse) -> str:
    return str(health_pb2.HealthCheckResponse.ServingStatus.Name(reply.status))


@asynccontextmanager
async def envoy_at(address: str, *, unix: bool = True) -> AsyncIterator[FakeEnvoy]:
    """A connection for one block."""
    envoy = FakeEnvoy(f"unix:{address}" if unix else address)
    try:
        yield envoy
    finally:
        await envoy.close()


def set_headers(mutation: HeaderMutation) -> dict[str, str]:
    """The headers that a reply sets; each replaces what the client sent."""
    assert all(option.append_action == option.OVERWRITE_IF_EXISTS_OR_ADD for option in mutation.set_headers)
    assert not any(option.header.value for option in mutation.set_headers), "Envoy wants raw_value"
    return {option.header.key: option.header.raw_value.decode("ascii") for option in mutation.set_headers}


def router_metadata(reply: ProcessingResponse) -> dict[str, Any]:
    """What a reply says in our namespace, and in no other."""
    metadata = MessageToDict(reply.dynamic_metadata)
    assert list(metadata) == [names.METADATA_NAMESPACE]
    return dict(metadata[names.METADATA_NAMESPACE])
