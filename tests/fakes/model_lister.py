"""An ext_proc server that answers every request that it is shown by itself."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from sidecar.extproc import names
from sidecar.extproc.ext_proc_pb2 import (
    HttpStatus,
    ImmediateResponse,
    ProcessingRequest,
    ProcessingResponse,
)


class ModelLister:
    """`with ModelLister(socket) as lister:` - `paths` are those of the requests that it has answered."""

    def __init__(self, socket: Path, body: bytes) -> None:
        self.paths: list[str] = []
        self._body = body
        self._server = grpc.server(ThreadPoolExecutor(4))
        process = grpc.stream_stream_rpc_method_handler(
            self._process,
            request_deserializer=ProcessingRequest.FromString,
            response_serializer=ProcessingResponse.SerializeToString,
        )
        handler = grpc.method_handlers_generic_handler(names.SERVICE, {"Process": process})
        self._server.add_generic_rpc_handlers((handler,))
        serving = health.HealthServicer()
        serving.set("", health_pb2.HealthCheckResponse.SERVING)
        health_pb2_grpc.add_HealthServicer_to_server(serving, self._server)
        self._server.add_insecure_port(f"unix:{socket}")

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.stop(None).wait()

    def _process(self, requests: Iterator[ProcessingRequest], context: Any) -> Iterator[ProcessingResponse]:
        first = next(requests)
        headers = {it.key: it.raw_value.decode() for it in first.request_headers.headers.headers}
        self.paths.append(headers[":path"])
        answer = ImmediateResponse(status=HttpStatus(code=200), body=self._body)
        yield ProcessingResponse(immediate_response=answer)
