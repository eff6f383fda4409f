"""What the providers received: a bounded list of records, so a test can prove what each attempt carried."""

import hashlib
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

# Enough for a test or a demo to look back; a benchmark of an hour stays within about 20 MB.
DEFAULT_LIMIT = 10_000

RECORDED_HEADERS = frozenset(
    {
        "accept-encoding",
        "anthropic-beta",
        "anthropic-version",
        "authorization",
        "content-encoding",
        "content-length",
        "content-type",
        "cookie",
        "openai-organization",
        "transfer-encoding",
        "traceparent",
        "user-agent",
    }
)


@dataclass(frozen=True, slots=True)
class ReceivedRequest:
    """One request as it arrived. `headers`: lower-case names, those of `RECORDED_HEADERS` and all `x-…`.

    `time` in seconds since the epoch; `model` None when the body names none.
    """

    provider: str
    model: str | None
    method: str
    path: str
    host: str
    headers: Mapping[str, str]
    body_bytes: int
    body_sha256: str
    fault: str | None
    time: float


class ReceivedRequests:
    """The last `limit` requests, oldest first. A limit of 0 records nothing."""

    def __init__(self, limit: int = DEFAULT_LIMIT) -> None:
        self._records: deque[ReceivedRequest] = deque(maxlen=limit)
        self.is_recording = limit > 0

    def add(
        self,
        provider: str,
        model: str | None,
        line: tuple[str, str],
        headers: Mapping[str, str],
        body: bytes,
        fault: str | None,
    ) -> None:
        """Record one request; `line` is its method and path."""
        if not self.is_recording:
            return
        self._records.append(
            ReceivedRequest(
                provider=provider,
                model=model,
                method=line[0],
                path=line[1],
                host=headers.get("Host", ""),
                headers=_selected(headers),
                body_bytes=len(body),
                body_sha256=hashlib.sha256(body).hexdigest(),
                fault=fault,
                time=time.time(),
            )
        )

    def read(self, provider: str | None = None, model: str | None = None) -> list[ReceivedRequest]:
        """The records, oldest first; of one provider or model if given."""
        return [
            record
            for record in self._records
            if provider in (None, record.provider) and model in (None, record.model)
        ]

    def clear(self) -> None:
        """Forget all records."""
        self._records.clear()


def _selected(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers worth a record. One sent twice keeps both values: no leak hides behind another."""
    selected: dict[str, str] = {}
    for name, value in headers.items():
        lower = name.lower()
        if lower.startswith("x-") or lower in RECORDED_HEADERS:
            selected[lower] = f"{selected[lower]}, {value}" if lower in selected else value
    return selected
