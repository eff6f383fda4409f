"""Health and counts over HTTP, for Kubernetes probes, for Prometheus, and for whoever waits for a start."""

from collections.abc import Callable

from aiohttp import web

_PROMETHEUS_TEXT = "text/plain; version=0.0.4; charset=utf-8"


class ConsoleServer:
    """`/healthz`: the process runs. `/readyz`: it would decide a request now. `/metrics`: what it decided so far."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        why_not_ready: Callable[[], str | None],
        render_metrics: Callable[[], bytes],
    ) -> None:
        """`why_not_ready` returns None when ready; `render_metrics` gives Prometheus' text format."""
        self._host = host
        self._port = port
        self._why_not_ready = why_not_ready
        self._render_metrics = render_metrics
        app = web.Application()
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/metrics", self._metrics)
        self._runner = web.AppRunner(app, access_log=None)

    async def start(self) -> None:
        """Listen. Raises OSError if the port cannot be had."""
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host, self._port).start()
        except OSError as error:
            raise OSError(f"cannot listen on {self._host}:{self._port}: {error.strerror or error}") from error

    async def stop(self) -> None:
        """Close every connection."""
        await self._runner.cleanup()

    async def _healthz(self, _request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _readyz(self, _request: web.Request) -> web.Response:
        why_not = self._why_not_ready()
        return web.Response(status=200 if why_not is None else 503, text=f"{why_not or 'ready'}\n")

    async def _metrics(self, _request: web.Request) -> web.Response:
        return web.Response(body=self._render_metrics(), headers={"content-type": _PROMETHEUS_TEXT})
