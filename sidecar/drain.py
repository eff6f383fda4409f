"""Waits for SIGTERM, then takes the Envoy of this pod out of service and waits for what is under way in it.

Run as a script by `sidecar drain`: as the main container of a gateway pod it does nothing for all of its life, so it
imports little, and the rest when it is told to end.
"""

import logging
import re
import signal
import socket
import sys
import time
from typing import NamedTuple

_log = logging.getLogger("sidecar.drain")

_EVENTS = (signal.SIGTERM, signal.SIGINT)

_POLL_SECONDS = 0.5

# Nothing under way for as long as this. Envoy writes its log to the collector once a second; what it has not written
# when it ends is lost.
_QUIET_SECONDS = 1.5

_REPORT_SECONDS = 30.0

# The listener of the clients, by its stat_prefix; probes and attempts have listeners of their own.
_REQUESTS, _CONNECTIONS = "http.edge.downstream_rq_active", "http.edge.downstream_cx_active"
_STATS = r"/stats?filter=^http\.edge\.downstream_(rq|cx)_active$"

_ASK_SECONDS = 5.0


class NoEdgeError(OSError):
    """What the clients reach cannot be told in this Envoy's statistics."""


class Limits(NamedTuple):
    """Seconds since the signal."""

    least: float
    """While new requests may still come: Kubernetes takes the pod out of its Services meanwhile."""
    idle: float
    """As long as this for connections on which nothing is under way. Each is closed with its next answer; one that
    Envoy's end closes may lose a request that is being sent just then."""
    most: float
    """Then Envoy may be ended whatever is under way."""


class Busy(NamedTuple):
    """What the clients' listener has."""

    requests: int
    connections: int


class Admin:
    """Envoy's admin interface. Raises OSError for one that does not answer, or not as Envoy's does."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port

    def __str__(self) -> str:
        return f"Envoy's admin interface at {self._host}:{self._port}"

    def fail_health(self) -> None:
        """/ready says 503 from now on, and each answer on HTTP/1 closes its connection (GOAWAY on HTTP/2)."""
        self._ask("POST", "/healthcheck/fail")

    def count(self) -> Busy:
        """How busy the clients' listener is now."""
        values = dict(re.findall(r"^(\S+): (\d+)$", self._ask("GET", _STATS), re.MULTILINE))
        if not values.keys() >= {_REQUESTS, _CONNECTIONS}:
            raise NoEdgeError(f"it has no {_REQUESTS}: no listener has the stat_prefix `edge`")
        return Busy(int(values[_REQUESTS]), int(values[_CONNECTIONS]))

    def _ask(self, method: str, path: str) -> str:
        # By hand: http.client would be a third of this process. Of HTTP/1.0 Envoy will not hear.
        with socket.create_connection((self._host, self._port), _ASK_SECONDS) as connection:
            connection.sendall(f"{method} {path} HTTP/1.1\r\nhost: envoy\r\nconnection: close\r\n\r\n".encode())
            answer = b"".join(iter(lambda: connection.recv(65536), b"")).decode(errors="replace")
        head, _, body = answer.partition("\r\n\r\n")
        status, _, headers = head.partition("\r\n")
        if " 200 " not in status:
            raise OSError(f"{method} {path} was answered {status!r}")
        return _joined(body) if "transfer-encoding: chunked" in headers else body


def _joined(chunked: str) -> str:
    """What came in chunks; Envoy's admin interface writes ASCII. Raises OSError for what breaks off."""
    text = ""
    while not chunked.startswith("0\r\n"):
        size, _, chunked = chunked.partition("\r\n")
        try:
            length = int(size, 16)
        except ValueError:
            raise OSError("the answer breaks off") from None
        text, chunked = text + chunked[:length], chunked[length + 2 :]
    return text


class _Drain:
    """One drain; `seconds` are those since the signal."""

    def __init__(self, admin: Admin, limits: Limits) -> None:
        self._admin, self._limits = admin, limits
        self._started = time.monotonic()
        self._seen = 0.0
        """When the admin interface last answered."""
        self._quiet_since: float | None = None
        self._reported = -_REPORT_SECONDS

    def run(self) -> int:
        """The exit code: 0 when nothing was under way any more."""
        while True:
            seconds = time.monotonic() - self._started
            try:
                code = self._look(seconds)
            except OSError as error:
                code = self._miss(seconds, error)
            if code is not None:
                return code
            if signal.sigtimedwait(_EVENTS, _POLL_SECONDS) is not None:
                _log.warning("told again to end: still draining, at most %.0f s in all", self._limits.most)

    def _look(self, seconds: float) -> int | None:
        # Every time: an Envoy that was started again meanwhile takes requests as before.
        self._admin.fail_health()
        busy = self._admin.count()
        self._seen = seconds
        if busy.requests:
            self._quiet_since = None
        elif self._quiet_since is None:
            self._quiet_since = seconds
        if self._is_done(seconds, busy):
            _log.info("drained in %.0f s: nothing is under way (%d idle connections)", seconds, busy.connections)
            return 0
        if seconds >= self._limits.most:
            _log.error("giving up after %.0f s: %d requests are cut", seconds, busy.requests)
            return 1
        if seconds - self._reported >= _REPORT_SECONDS:
            self._reported = seconds
            _log.info("draining: %d requests under way, %d connections", busy.requests, busy.connections)
        return None

    def _is_done(self, seconds: float, busy: Busy) -> bool:
        if self._quiet_since is None or seconds - self._quiet_since < _QUIET_SECONDS or seconds < self._limits.least:
            return False
        return busy.connections == 0 or seconds >= self._limits.idle

    def _miss(self, seconds: float, error: OSError) -> int | None:
        """It may just come up, or up again."""
        self._quiet_since = None
        if seconds - self._seen < max(self._limits.least, _POLL_SECONDS) and seconds < self._limits.most:
            return None
        _log.error("%s does not answer, so nothing is drained: %s", self._admin, error)
        return 1


def drain_when_told(admin: Admin, limits: Limits) -> int:
    """Returns the exit code some time after SIGTERM or SIGINT; a second one changes nothing.

    At once returns 2 for an Envoy that could not be drained.
    """
    # Waited for, and never handled where they arrive. Blocked signals reach also the first process of a container.
    signal.pthread_sigmask(signal.SIG_BLOCK, _EVENTS)
    try:
        admin.count()
    except NoEdgeError as error:
        _log.error("%s cannot be used: %s", admin, error)
        return 2
    except OSError as error:
        _log.warning("%s does not answer yet: %s", admin, error)
    _log.info("waiting for SIGTERM, to drain %s", admin)
    signal.sigwait(_EVENTS)
    _log.info("draining for %.0f to %.0f s", limits.least, limits.most)
    return _Drain(admin, limits).run()


if __name__ == "__main__":
    logging.basicConfig(level="INFO", format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    _host, _port, *_seconds = sys.argv[1:]
    sys.exit(drain_when_told(Admin(_host, int(_port)), Limits(*map(float, _seconds))))
