"""`sidecar webhook`: the API server's admission reviews, answered over TLS; health and counts on a port beside it."""

import asyncio
import logging
import ssl
from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from aiohttp import web

from sidecar.injection.review import Result, Reviewed, ReviewError, review
from sidecar.injection.serving_certificate import ServingCertificate
from sidecar.injection.settings import Defaults

_log = logging.getLogger("sidecar")

# The API server's own limit of what may be sent to it.
_BODY_BYTES = 3 * 1024 * 1024

# Few pods are as large as that, and whoever sends many such must not use up the container's memory.
_LARGE_BYTES = 64 * 1024
_LARGE_AT_ONCE = 4

# For a handshake, and for a request after it: an API server takes milliseconds.
_CLIENT_SECONDS = 5.0

# Whoever sends the beginning of a pod and no more makes us hold up to 1.3 MB of it, and any pod may connect: so many
# fit into the container's memory. An API server's take milliseconds each.
_MOST_CONNECTIONS = 300

# To take leave of a client that still sends, or does not.
_CLOSE_SECONDS = 1.0
_BACKLOG = 1024

# In flight when the port closes; they take milliseconds.
_LAST_REQUESTS_SECONDS = 5.0

_PROMETHEUS_TEXT = "text/plain; version=0.0.4; charset=utf-8"

_MALFORMED = "malformed"


@dataclass(frozen=True, slots=True)
class WebhookOptions:
    """What the command line says."""

    listen: tuple[str, int]
    """For the API server, with TLS."""
    http: tuple[str, int] | None
    """For probes and Prometheus."""
    certificate: Path
    key: Path
    defaults: Defaults
    """Settings of every pod that does not say otherwise."""
    drain_seconds: float
    """How long requests are still taken after SIGTERM: until nobody sends any more."""


class Webhook:
    """A service for lifecycle.run_service."""

    def __init__(self, options: WebhookOptions) -> None:
        """Raises CertificateFileError."""
        self._options = options
        self._certificate = ServingCertificate(options.certificate, options.key)
        self._admissions = Counter({str(result): 0 for result in (*Result, _MALFORMED)})
        self._large = asyncio.Semaphore(_LARGE_AT_ONCE)
        self._is_leaving = False
        self._runners: list[web.AppRunner] = []
        self._servers: list[asyncio.Server] = []
        self._following: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen. Raises OSError if a port cannot be had."""
        probes = [web.get("/healthz", self._healthz), web.get("/readyz", self._readyz)]
        if self._options.http is not None:
            await self._listen(self._options.http, [web.get("/metrics", self._metrics), *probes])
        await self._listen(
            self._options.listen, [web.post("/inject", self._inject), *probes], self._certificate.context
        )
        self._following = asyncio.create_task(self._certificate.follow())
        _log.info(
            "ready at https://%s:%d/inject, certificate ends on %s",
            *self._options.listen,
            self._certificate.ends.date(),
        )

    async def stop(self) -> None:
        """Say that we leave, go on until nobody asks any more, then answer what is under way."""
        if self._following is not None:
            self._is_leaving = True
            await asyncio.sleep(self._options.drain_seconds)
            self._following.cancel()
        for server in self._servers:
            server.close()
        for runner in self._runners:
            await runner.cleanup()

    def reload(self) -> None:
        """Read the certificate again, soon."""
        self._certificate.ask()

    async def _listen(
        self, address: tuple[str, int], routes: list[web.RouteDef], context: ssl.SSLContext | None = None
    ) -> None:
        app = web.Application(client_max_size=_BODY_BYTES)
        app.add_routes(routes)
        app.on_response_prepare.append(_close_connection)
        runner = web.AppRunner(
            app,
            access_log=None,
            keepalive_timeout=_CLIENT_SECONDS,
            lingering_time=_CLOSE_SECONDS,
            shutdown_timeout=_LAST_REQUESTS_SECONDS,
        )
        self._runners.append(runner)
        await runner.setup()
        handlers = runner.server
        assert handlers is not None  # noqa: S101  # it has been set up
        host, port = address
        try:
            # Not by a site of aiohttp's, which leaves a minute for a handshake.
            server = await asyncio.get_running_loop().create_server(
                lambda: _Gate(handlers),
                host,
                port,
                backlog=_BACKLOG,
                ssl=context,
                ssl_handshake_timeout=_CLIENT_SECONDS if context is not None else None,
                ssl_shutdown_timeout=_CLOSE_SECONDS if context is not None else None,
            )
        except OSError as error:
            raise OSError(f"cannot listen on {host}:{port}: {error.strerror or error}") from error
        self._servers.append(server)

    async def _inject(self, request: web.Request) -> web.Response:
        length = request.content_length
        is_large = length is None or length > _LARGE_BYTES
        try:
            async with asyncio.timeout(_CLIENT_SECONDS), self._large if is_large else nullcontext():
                return self._review(await request.read(), request.remote)
        except TimeoutError:
            raise web.HTTPRequestTimeout from None

    def _review(self, body: bytes, remote: str | None) -> web.Response:
        try:
            reviewed = review(body, self._options.defaults)
        except ReviewError as error:
            self._admissions[_MALFORMED] += 1
            _log.warning("malformed request from %s: %s", remote, error)
            return web.Response(status=400, text=f"{error}\n")
        self._admissions[reviewed.result] += 1
        _log_decision(reviewed)
        return web.Response(body=reviewed.body, content_type="application/json")

    async def _healthz(self, _request: web.Request) -> web.Response:
        return web.Response(text="alive\n")

    async def _readyz(self, _request: web.Request) -> web.Response:
        why_not = "draining" if self._is_leaving else self._certificate.why_unusable()
        if why_not is not None:
            return web.Response(status=503, text=f"{why_not}\n")
        # Still ready with the old certificate: not to be would take the webhook away, and new pods with it.
        fault = self._certificate.fault
        return web.Response(text="ready\n" if fault is None else f"ready; certificate not reloaded: {fault}\n")

    async def _metrics(self, _request: web.Request) -> web.Response:
        return web.Response(body="\n".join(self._render()).encode(), headers={"content-type": _PROMETHEUS_TEXT})

    def _render(self) -> Iterator[str]:
        yield "# HELP llm_webhook_admissions_total Admission reviews, by what became of them."
        yield "# TYPE llm_webhook_admissions_total counter"
        for result, count in self._admissions.items():
            yield f'llm_webhook_admissions_total{{result="{result}"}} {count}'
        yield "# HELP llm_webhook_certificate_remaining_seconds Until the certificate in use ends."
        yield "# TYPE llm_webhook_certificate_remaining_seconds gauge"
        remaining = (self._certificate.ends - datetime.now(UTC)).total_seconds()
        yield f"llm_webhook_certificate_remaining_seconds {remaining:.0f}"
        yield "# HELP llm_webhook_certificate_reloads_total Changed certificate files that were read, by result."
        yield "# TYPE llm_webhook_certificate_reloads_total counter"
        for result, count in self._certificate.reloads.items():
            yield f'llm_webhook_certificate_reloads_total{{result="{result}"}} {count}'
        yield ""


class _Gate(asyncio.Protocol):
    """Of a connection, until it is there: then aiohttp's, or closed at once if it is one too many."""

    def __init__(self, handlers: web.Server) -> None:
        self._handlers = handlers

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        connection = cast("asyncio.Transport", transport)
        if len(self._handlers.connections) >= _MOST_CONNECTIONS:
            connection.abort()
            return
        handler = self._handlers()
        connection.set_protocol(handler)
        handler.connection_made(transport)


async def _close_connection(_request: web.Request, response: web.StreamResponse) -> None:
    """One request each: then no request is ever sent into a connection that we are just closing."""
    response.headers["Connection"] = "close"
    response.force_close()


def _log_decision(reviewed: Reviewed) -> None:
    level = logging.WARNING if reviewed.result is Result.REFUSED else logging.INFO
    reason = f": {reviewed.reason}" if reviewed.reason else ""
    _log.log(level, "%s %s%s", reviewed.subject, reviewed.result, reason)
