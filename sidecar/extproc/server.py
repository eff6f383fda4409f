"""The gRPC server: listening, health, draining."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import grpc
from grpc_health.v1 import health, health_pb2
from grpc_health.v1.health_pb2_grpc import add_HealthServicer_to_server

from sidecar.extproc import names
from sidecar.extproc.ext_proc_pb2 import ProcessingRequest
from sidecar.extproc.processor import Processor
from sidecar.unix_socket import SOCKET_MODE, make_way

MAX_BODY_BYTES = 16 * 1024 * 1024
"""Envoy buffers no more than this (`request_body_buffer_limit` in envoy/envoy.yaml) and answers 413 beyond it."""

# A body comes in one message, with a few fields around it.
_MAX_MESSAGE_BYTES = MAX_BODY_BYTES + 64 * 1024


@dataclass(frozen=True, slots=True)
class DrainTimes:
    """How a server leaves without losing a request."""

    notice_seconds: float = 1.0
    """Serving on, as not serving, until Envoy's health check (every 0.5 s) has seen it."""
    grace_seconds: float = 5.0
    """For streams under way."""


class ExtProcServer:
    """Serves ext_proc streams at one address; not healthy until it is given a processor."""

    def __init__(self, address: str, drain: DrainTimes | None = None) -> None:
        """`address` is `host:port`, or the path of a Unix socket with a `/` in it."""
        self._address = address
        self._socket: tuple[Path, int] | None = None
        """With its inode: another file of that name would be another server's."""
        self._drain = drain or DrainTimes()
        self._processor: Processor | None = None
        self._health = health.aio.HealthServicer()  # type: ignore[attr-defined]  # the stubs lack it
        self._server = grpc.aio.server(
            options=[
                ("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES),
                ("grpc.max_send_message_length", _MAX_MESSAGE_BYTES),
                ("grpc.so_reuseport", 0),  # two servers on one port would hide a mistake
            ]
        )
        self._server.add_generic_rpc_handlers((_handler(self._process),))
        add_HealthServicer_to_server(self._health, self._server)

    async def start(self) -> None:
        """Listen. Raises OSError if the address cannot be had."""
        await self._set_health(health_pb2.HealthCheckResponse.NOT_SERVING)
        path = Path(self._address) if "/" in self._address else None
        if path is not None:
            make_way(path)
        try:
            self._server.add_insecure_port(f"unix:{path}" if path is not None else self._address)
        except RuntimeError as error:
            raise OSError(f"cannot listen on {self._address}: {error}") from error
        await self._server.start()
        if path is not None:
            path.chmod(SOCKET_MODE)
            self._socket = path, path.stat().st_ino

    def why_unreachable(self) -> str | None:
        """What keeps Envoy from us although we listen; None if nothing does."""
        if self._socket is None:
            return None
        path, inode = self._socket
        if not path.exists() or path.stat().st_ino != inode:
            return f"the socket {path} is gone: restart"
        return None

    async def serve(self, processor: Processor) -> None:
        """Take requests from now on."""
        self._processor = processor
        await self._set_health(health_pb2.HealthCheckResponse.SERVING)

    async def drain(self) -> None:
        """Say that we leave, let Envoy notice, and finish what is under way."""
        await self._set_health(health_pb2.HealthCheckResponse.NOT_SERVING)
        if self._processor is not None:  # or nobody was ever told that we serve
            await asyncio.sleep(self._drain.notice_seconds)
        await self._server.stop(self._drain.grace_seconds)

    async def _process(
        self,
        _requests: AsyncIterator[ProcessingRequest],
        stream: "grpc.aio.ServicerContext[ProcessingRequest, bytes]",
    ) -> None:
        if self._processor is None:
            await stream.abort(grpc.StatusCode.UNAVAILABLE, "the classifier is still loading")
            return
        await self._processor.process(stream)

    async def _set_health(self, status: int) -> None:
        for service in ("", names.SERVICE):
            await self._health.set(service, status)


def _handler(process: Callable[..., Awaitable[None]]) -> "grpc.GenericRpcHandler[ProcessingRequest, bytes]":
    method = grpc.stream_stream_rpc_method_handler(
        process,
        request_deserializer=ProcessingRequest.FromString,
        response_serializer=None,  # replies are bytes already
    )
    return grpc.method_handlers_generic_handler(names.SERVICE, {"Process": method})
