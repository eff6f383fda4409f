"""The load generator, in a process of its own: `python -m bench.load_generator` reads jobs and writes results.

One line of JSON each, on standard input and output; it ends with its input.
"""

import asyncio
import gc
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import msgspec
import uvloop

from bench.closed_loop import Round
from bench.figures import percentile
from sidecar.demo.tether import tethered

_ROUND_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Job:
    """One round: every body is sent once, as JSON."""

    url: str
    bodies: list[str]
    concurrency: int
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LoadResult:
    """What a round brought. `cpu_share`: of one processor, by the load generator itself."""

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    statuses: dict[str, int]
    reasons: dict[str, int]
    """By x-llm-reason; empty for answers that the sidecar had no part in."""
    cpu_share: float


class LoadGenerator:
    """The process, as a context manager."""

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            *tethered([sys.executable, "-m", __name__]),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            cwd=Path(__file__).parent.parent,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._process.returncode is None:
            self._process.terminate()
        await self._process.communicate()

    async def run(self, job: Job) -> LoadResult:
        """Until the round is over. Raises RuntimeError if it could not be run."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(msgspec.json.encode(job) + b"\n")
        await stdin.drain()
        line = await stdout.readline()
        if not line:
            raise RuntimeError(f"the load generator gave up on {job.url}; its error output says why")
        return msgspec.json.decode(line, type=LoadResult)


async def _run(job: Job) -> LoadResult:
    url = urlsplit(job.url)
    requests = [_request(url.netloc, url.path, body.encode(), job.headers) for body in job.bodies]
    round_ = Round(url.hostname or "", url.port or 80, requests)
    cpu_before = time.process_time()
    await round_.run(job.concurrency, _ROUND_SECONDS)
    cpu = time.process_time() - cpu_before
    return LoadResult(
        requests=len(requests),
        seconds=round_.seconds,
        p50_ms=percentile(round_.latencies, 50) * 1000,
        p99_ms=percentile(round_.latencies, 99) * 1000,
        statuses={str(status): count for status, count in round_.statuses.items()},
        reasons=dict(round_.reasons),
        cpu_share=cpu / round_.seconds,
    )


def _request(host: str, path: str, body: bytes, headers: dict[str, str]) -> bytes:
    fields = {"host": host, "content-type": "application/json", "content-length": str(len(body)), **headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + body


def main() -> None:
    """Work until the input ends."""
    gc.disable()  # its pauses would show as latency; what a round leaves is collected between two
    for line in sys.stdin.buffer:
        result = uvloop.run(_run(msgspec.json.decode(line, type=Job)))
        sys.stdout.buffer.write(msgspec.json.encode(result) + b"\n")
        sys.stdout.buffer.flush()
        gc.collect()


if __name__ == "__main__":
    main()
