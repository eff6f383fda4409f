"""Envoy's access log service, as its edge and its `models` listener call it: entries come, nothing goes back."""

import logging
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import grpc
from google.protobuf.message import DecodeError

from sidecar.outcomes.access_log_pb2 import StreamAccessLogsMessage
from sidecar.outcomes.entries import EDGE, MODELS, AttemptEntry, EdgeEntry, is_over, read_attempt, read_edge
from sidecar.unix_socket import SOCKET_MODE, make_way

_log = logging.getLogger("sidecar")

SERVICE = "envoy.service.accesslog.v3.AccessLogService"
METHOD = "StreamAccessLogs"

MAX_MESSAGE_BYTES = 4 * 1024 * 1024
"""Envoy sends 64 KiB and one entry at the most (`buffer_size_bytes`), and no entry of ours has a megabyte."""


class AccessLogServer:
    """Calls `on_edge` and `on_attempt` with the entries of requests that are over."""

    def __init__(
        self, address: str, *, on_edge: Callable[[EdgeEntry], None], on_attempt: Callable[[AttemptEntry], None]
    ) -> None:
        """`address` is `host:port`, or the path of a Unix socket with a `/` in it."""
        self._address = address
        self._on_edge = on_edge
        self._on_attempt = on_attempt
        self._server: grpc.aio.Server | None = None
        self._has_complained = False
        self.streams = 0
        """How many are open: each Envoy worker thread has one for each of the two logs."""
        self.edges = 0
        """Entries of requests, so far."""
        self.attempts = 0
        """Entries of attempts, so far."""
        self.malformed = 0
        """Messages that were none, or of a log that we do not know."""

    async def start(self) -> None:
        """Listen. Raises OSError if the address cannot be had."""
        path = Path(self._address) if "/" in self._address else None
        if path is not None:
            make_way(path)
        options = [
            ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
            ("grpc.so_reuseport", 0),  # two collectors at one port would each get a half of what belongs together
        ]
        self._server = grpc.aio.server(options=options)
        self._server.add_generic_rpc_handlers((self._handler(),))
        try:
            self._server.add_insecure_port(f"unix:{path}" if path is not None else self._address)
        except RuntimeError as error:
            raise OSError(f"cannot listen on {self._address}: {error}") from error
        await self._server.start()
        if path is not None:
            path.chmod(SOCKET_MODE)

    async def stop(self) -> None:
        """End all streams, which Envoy never does."""
        if self._server is not None:
            await self._server.stop(grace=None)

    def _handler(self) -> "grpc.GenericRpcHandler[bytes, bytes]":
        method = grpc.stream_unary_rpc_method_handler(
            self._receive,
            request_deserializer=None,  # a message that cannot be read must not end the stream
            response_serializer=None,
        )
        return grpc.method_handlers_generic_handler(SERVICE, {METHOD: method})

    async def _receive(
        self, messages: AsyncIterator[bytes], stream: "grpc.aio.ServicerContext[bytes, bytes]"
    ) -> bytes:
        self.streams += 1
        try:
            log_name = ""
            async for message in messages:
                log_name = self._take(message, log_name)
                if not log_name:
                    # Only a new stream will say it.
                    await stream.abort(grpc.StatusCode.INVALID_ARGUMENT, "which log is this? start again")
        finally:
            self.streams -= 1
        return b""

    def _take(self, data: bytes, log_name: str) -> str:
        """Returns the name of the log: as it was, or as this message says."""
        try:
            message = StreamAccessLogsMessage.FromString(data)
        except DecodeError as error:
            self._complain("an access log message of %d bytes cannot be read: %s", len(data), error)
            return log_name
        log_name = message.identifier.log_name or log_name
        entries = [entry for entry in message.http_logs.log_entry if is_over(entry)]
        if log_name == EDGE:
            self.edges += len(entries)
            for entry in entries:
                self._on_edge(read_edge(entry))
        elif log_name == MODELS:
            self.attempts += len(entries)
            for entry in entries:
                self._on_attempt(read_attempt(entry))
        else:
            self._complain("access log %r: expected log_name %s or %s", log_name, EDGE, MODELS)
        return log_name

    def _complain(self, message: str, *values: object) -> None:
        """Once: what keeps on coming is counted."""
        self.malformed += 1
        if not self._has_complained:
            self._has_complained = True
            _log.error(message, *values)
