"""Asks a worker what it would do, over the socket that Envoy asks at and in the same words."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import grpc

from sidecar.extproc import names
from sidecar.extproc.ext_proc_pb2 import (
    HeaderMap,
    HeaderValue,
    HttpBody,
    HttpHeaders,
    ProcessingMode,
    ProcessingRequest,
    ProcessingResponse,
    ProtocolConfiguration,
)

_PATIENCE_SECONDS = 10.0

_EOF = grpc.aio.EOF  # type: ignore[attr-defined]  # the published stubs lack it


class WorkerUnreachableError(Exception):
    """No worker gave an answer, and why."""


@dataclass(frozen=True, slots=True)
class Explained:
    """What would become of a request."""

    status: int
    """200 for one that would be sent on."""
    record: bytes
    """The decision record; empty for a request that the router leaves alone."""
    body: bytes
    """What the client would get of a rejection, else empty."""


class WorkerClient:
    """One connection to a worker; made when it is first needed."""

    def __init__(self, address: str) -> None:
        self._target = f"unix:{address}" if "/" in address else address
        self._channel: grpc.aio.Channel | None = None

    async def explain(self, path: str, headers: Mapping[str, str], body: bytes) -> Explained:
        """What it would do with that POST, on a path of an LLM API; it counts for nothing.

        Raises WorkerUnreachableError.
        """
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                return _read(await self._ask(path, headers, body))
        except TimeoutError as error:
            raise WorkerUnreachableError(f"no answer in {_PATIENCE_SECONDS:g} s") from error
        except grpc.aio.AioRpcError as error:
            raise WorkerUnreachableError(error.details() or error.code().name) from error

    async def close(self) -> None:
        """End the connection."""
        if self._channel is not None:
            await self._channel.close(grace=None)

    async def _ask(self, path: str, headers: Mapping[str, str], body: bytes) -> ProcessingResponse | None:
        """Its last word; None if it has none."""
        if self._channel is None:
            self._channel = grpc.aio.insecure_channel(self._target, [("grpc.max_send_message_length", -1)])
        process: Any = self._channel.stream_stream(
            f"/{names.SERVICE}/Process",
            request_serializer=ProcessingRequest.SerializeToString,
            response_deserializer=ProcessingResponse.FromString,
        )
        stream = process(metadata=((names.DRY_RUN, "1"),))
        last: ProcessingResponse | None = None
        for message in (_headers(path, headers, is_all=not body), ProcessingRequest(request_body=_whole(body))):
            await stream.write(message)
            reply = await stream.read()
            if reply is _EOF:
                break
            last = reply
            if last.WhichOneof("response") == "immediate_response":
                break
        stream.cancel()
        return last


def _headers(path: str, headers: Mapping[str, str], *, is_all: bool) -> ProcessingRequest:
    pairs = {":method": "POST", ":path": path, **headers}
    values = [HeaderValue(key=key.lower(), raw_value=value.encode()) for key, value in pairs.items()]
    return ProcessingRequest(
        request_headers=HttpHeaders(headers=HeaderMap(headers=values), end_of_stream=is_all),
        protocol_config=ProtocolConfiguration(request_body_mode=ProcessingMode.BUFFERED),
    )


def _whole(body: bytes) -> HttpBody:
    return HttpBody(body=body, end_of_stream=True)


def _read(reply: ProcessingResponse | None) -> Explained:
    if reply is None:
        raise WorkerUnreachableError("it ended the conversation without a word")
    fields = reply.dynamic_metadata.fields[names.METADATA_NAMESPACE].struct_value.fields
    rejection = reply.immediate_response if reply.WhichOneof("response") == "immediate_response" else None
    return Explained(
        status=rejection.status.code if rejection is not None else 200,
        record=fields[names.RECORD].string_value.encode(),
        body=rejection.body if rejection is not None else b"",
    )
