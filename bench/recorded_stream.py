"""An ext_proc stream without gRPC: the messages Envoy sends for one chat completion, and who watches the decision."""

from sidecar.extproc.ext_proc_pb2 import (
    HeaderMap,
    HeaderValue,
    HttpBody,
    HttpHeaders,
    ProcessingMode,
    ProcessingRequest,
    ProtocolConfiguration,
)
from sidecar.routing.decision import Decision
from sidecar.routing.exchange import Exchange

# What Envoy forwards of a request as a usual SDK sends it.
_HEADERS = {
    ":method": "POST",
    ":path": "/v1/chat/completions",
    ":scheme": "http",
    ":authority": "gateway.example",
    "content-type": "application/json",
    "accept": "application/json",
    "user-agent": "OpenAI/Python 1.66.0",
    "x-request-id": "5c1f2a0e-3f0d-4a55-9a5e-0f5f0f2b7a11",
    "x-forwarded-proto": "http",
}


class RecordedStream:
    """Gives both messages of a request, still to be parsed, and keeps the replies."""

    def __init__(self, body: bytes) -> None:
        headers = [HeaderValue(key=key, raw_value=value.encode()) for key, value in _HEADERS.items()]
        first = ProcessingRequest(
            request_headers=HttpHeaders(headers=HeaderMap(headers=headers)),
            protocol_config=ProtocolConfiguration(request_body_mode=ProcessingMode.BUFFERED),
        )
        second = ProcessingRequest(request_body=HttpBody(body=body, end_of_stream=True))
        self._messages = iter((first.SerializeToString(), second.SerializeToString()))
        self.replies: list[bytes] = []

    async def read(self) -> ProcessingRequest:
        """The next message."""
        return ProcessingRequest.FromString(next(self._messages))

    async def write(self, message: bytes) -> None:
        """Keep a reply."""
        self.replies.append(message)

    def invocation_metadata(self) -> object:
        """Not traced."""
        return ()


class ExchangeTimes:
    """An ExchangeObserver that keeps how long each stage took, in seconds, and counts what was not classified."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self.parse: list[float] = []
        self.classify: list[float] = []
        self.decide: list[float] = []
        self.fallbacks = 0

    def observe(self, exchange: Exchange) -> None:
        """One more."""
        self.parse.append(exchange.parse_seconds)
        self.classify.append(exchange.classify_seconds)
        self.decide.append(exchange.decide_seconds)
        result = exchange.result
        is_classified = isinstance(result, Decision) and result.classification is not None
        self.fallbacks += not is_classified
