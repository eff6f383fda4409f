"""A provider without TLS whose streams go on until the test lets them end."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from typing import Any, TypeVar

PATIENCE_SECONDS = 60

Server = TypeVar("Server", bound=HTTPServer)

_ANSWER = {"id": "1", "object": "chat.completion", "model": "m", "choices": []}


class HeldProvider(ThreadingHTTPServer):
    """Answers OpenAI's chat requests at once, and streams with a first event at once and the last when let go."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.let_go = threading.Event()

    @property
    def policy(self) -> str:
        """One with all models here."""
        return f"""
providers: {{held: {{url: "http://127.0.0.1:{self.server_port}/v1"}}}}
models: {{m: {{provider: held, tier: simple, price: {{input: 0, output: 0}}, context: 8192}}}}
virtual_models: {{auto: {{}}}}
fallback: m
"""


@contextmanager
def held_provider() -> Iterator[HeldProvider]:
    """For one block; what is still held at its end is let go."""
    with running(HeldProvider()) as provider:
        try:
            yield provider
        finally:
            provider.let_go.set()


@contextmanager
def running(server: Server) -> Iterator[Server]:
    """A server of the standard library, for one block."""
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: HeldProvider

    def do_POST(self) -> None:
        body: dict[str, Any] = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if not body.get("stream"):
            self._send("application/json", json.dumps(_ANSWER).encode())
            return
        self._begin("text/event-stream", ("transfer-encoding", "chunked"))
        self._write_event("first")
        self.server.let_go.wait(PATIENCE_SECONDS)
        with suppress(BrokenPipeError):  # the test has seen enough
            self._write_event("[DONE]")
            self.wfile.write(b"0\r\n\r\n")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class' name for it
        """Nothing."""

    def _send(self, kind: str, body: bytes) -> None:
        self._begin(kind, ("content-length", str(len(body))))
        self.wfile.write(body)

    def _begin(self, kind: str, length: tuple[str, str]) -> None:
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header(*length)
        self.end_headers()

    def _write_event(self, data: str) -> None:
        event = f"data: {data}\n\n".encode()
        self.wfile.write(f"{len(event):x}\r\n".encode() + event + b"\r\n")
        self.wfile.flush()
