"""A console with made-up traffic: `python -m tests.fakes.console` shows it at http://127.0.0.1:9902."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from sidecar.console.live import LiveRequests
from sidecar.console.policy_view import PolicyView
from sidecar.console.server import ConsoleServer
from sidecar.routing.api import find_endpoint
from sidecar.routing.classification import Classification
from sidecar.routing.decision import Evidence, decide
from sidecar.routing.feedback import Feedback
from sidecar.routing.record import decision_record, rejection_record
from sidecar.routing.rejection import RejectedError
from sidecar.routing.request import parse_request
from sidecar.routing.signals import RequestHead
from sidecar.routing.trail import Trail
from tests.fakes.live_requests import CLASSIFIER, Traffic, read_policy
from tests.fakes.ports import free_port

TRACE_URL = "http://localhost:16686/trace/{trace_id}"

_SECONDS_BETWEEN_REQUESTS = 0.7


@dataclass(frozen=True, slots=True)
class Explained:
    """What would become of a request."""

    status: int
    record: bytes
    body: bytes = b""


class FakeConsole:
    """A console, and what a test needs of it."""

    def __init__(self, view: PolicyView | None = None, host: str = "127.0.0.1", port: int = 0, **more: Any) -> None:
        """`more`: for the console."""
        self.view = view or read_policy(fallback="gpt-4.1")  # a dear one, so that there is something to save
        self.live = LiveRequests()
        self.traffic = Traffic(self.view.policy)
        self.feedback: list[Feedback] = []
        self.why_not_ready: str | None = None
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        settings: dict[str, Any] = {
            "why_not_ready": lambda: self.why_not_ready,
            "has_older_policy": lambda: False,
            "pids": lambda: [11, 12],
            "render_metrics": lambda: b"decisions_total 7\n",
            "live": self.live,
            "explain": self.explain,
            "describe_policy": lambda: self.view,
            "write_feedback": self.feedback.append,
            "trace_url": TRACE_URL,
        }
        self.server = ConsoleServer(host, self.port, **settings | more)

    def add(self, at: datetime | None = None, *, tenant: str | None = None, **changes: Any) -> None:
        """One request with an answer."""
        named = {} if tenant is None else {"tenant": tenant}
        record = self.traffic.one(at or datetime.now(UTC), **named)
        self.live.observe_record(msgspec.structs.replace(record, **changes))

    async def explain(self, path: str, headers: Mapping[str, str], body: bytes) -> Explained:
        """By the policy, with a classifier that takes everything for mathematics."""
        endpoint = find_endpoint("POST", path)
        assert endpoint is not None
        policy, trail = self.view.policy, Trail()
        signals = None
        try:
            signals = policy.reader.read(parse_request(endpoint, body), RequestHead(path, headers, datetime.now(UTC)))
            reading = Classification(
                "math", 0.97, 0.91, truncated=False, likeliest=(("math", 0.97), ("planning", 0.02))
            )
            decision = decide(policy, signals, Evidence((reading,)), trail)
            assert decision is not None
        except RejectedError as error:
            told = msgspec.json.encode({"error": {"message": error.message}})
            return Explained(error.status, rejection_record(error, policy.hash, signals, trail, CLASSIFIER), told)
        return Explained(200, decision_record(decision, CLASSIFIER))


async def _show() -> None:
    console = FakeConsole(port=9902)
    for record in console.traffic.history(90, datetime.now(UTC), a_minute=60):
        console.live.observe_record(record)
    await console.server.start()
    while True:
        await asyncio.sleep(_SECONDS_BETWEEN_REQUESTS)
        console.add()


if __name__ == "__main__":
    asyncio.run(_show())
