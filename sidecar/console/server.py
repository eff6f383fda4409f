"""Health over HTTP, for Kubernetes probes and for whoever waits for a start."""

from collections.abc import Callable

from aiohttp import web


class ConsoleServer:
    """`/healthz`: the process runs. `/readyz`: it would decide a request now."""

    def __init__(self, host: str, port: int, *, shared: bool, why_not_ready: Callable[[], str | None]) -> None:
        """`shared`: other workers listen at the same port. `why_not_ready` returns None when ready."""
        self._host = host
        self._port = port
        self._shared = shared
        self._why_not_ready = why_not_ready
        app = web.Application()
        app.add_routes([web.get("/healthz", self._healthz), web.get("/readyz", self._readyz)])
        self._runner = web.AppRunner(app, access_log=None)

    async def start(self) -> None:
        """Listen. Raises OSError if the port cannot be had."""
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self._port, reuse_port=self._shared or None).start()

    async def stop(self) -> None:
        """Close every connection."""
        await self._runner.cleanup()

    async def _healthz(self, _request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _readyz(self, _request: web.Request) -> web.Response:
        why_not = self._why_not_ready()
        return web.Response(status=200 if why_not is None else 503, text=f"{why_not or 'ready'}\n")
