"""A synchronous client of the control port, for tests and benchmarks in another process."""

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from typing import Any

from sidecar.demo.providers.faults import UnknownFaultError

TIMEOUT_SECONDS = 5


class ControlClient:
    """Speaks to a `ControlPort`. The methods mirror those of `EmbeddedProviders`."""

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self._url = f"http://{host}:{port}"
        # An HTTP proxy in the environment is not for loopback.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def set_fault(
        self,
        kind: str,
        *,
        provider: str | None = None,
        model: str | None = None,
        count: int | None = None,
        delay_ms: int | None = None,
        retry_after_seconds: int | None = None,
    ) -> None:
        """Switch a fault on for a provider or a model. Raises UnknownFaultError."""
        values = {
            "fault": kind,
            "provider": provider,
            "model": model,
            "count": count,
            "delay_ms": delay_ms,
            "retry_after_seconds": retry_after_seconds,
        }
        self._ask("POST", "/faults", {name: value for name, value in values.items() if value is not None})

    def clear_faults(self, *, provider: str | None = None, model: str | None = None) -> None:
        """Switch one fault off, or all. Raises UnknownFaultError."""
        self._ask("DELETE", _with_query("/faults", provider, model))

    def faults(self) -> list[dict[str, Any]]:
        """The faults that are on."""
        rows: list[dict[str, Any]] = self._ask("GET", "/faults")["faults"]
        return rows

    def set_latency(self, model: str, milliseconds: float) -> None:
        """Let every answer of a model wait that long; 0 takes it away. Raises UnknownFaultError."""
        self._ask("POST", "/latency", {"model": model, "ms": milliseconds})

    def requests(self, provider: str | None = None, model: str | None = None) -> list[dict[str, Any]]:
        """What arrived, oldest first: the fields of `ReceivedRequest` by name."""
        rows: list[dict[str, Any]] = self._ask("GET", _with_query("/requests", provider, model))["requests"]
        return rows

    def clear_requests(self) -> None:
        """Forget what arrived."""
        self._ask("DELETE", "/requests")

    def _ask(self, method: str, path: str, body: Mapping[str, object] | None = None) -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        url = self._url + path
        request = urllib.request.Request(url, data=data, method=method)  # noqa: S310 - always http, see __init__
        try:
            with self._opener.open(request, timeout=TIMEOUT_SECONDS) as response:
                answer: dict[str, Any] = json.load(response)
                return answer
        except urllib.error.HTTPError as error:
            with error:
                raise UnknownFaultError(json.load(error)["error"]) from error


def _with_query(path: str, provider: str | None, model: str | None) -> str:
    chosen = {"provider": provider, "model": model}
    query = urllib.parse.urlencode({name: value for name, value in chosen.items() if value is not None})
    return f"{path}?{query}" if query else path
