"""The control port: faults, latencies and records by plain HTTP, for curl and for other processes."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import msgspec
from aiohttp import web

from sidecar.demo.providers.embedded import EmbeddedProviders
from sidecar.demo.providers.faults import UnknownFaultError

_FAULT_OPTIONS = ("provider", "model", "count", "delay_ms", "retry_after_seconds")


class ControlPort:
    """Serves the control endpoint of `EmbeddedProviders` on loopback; `port` 0 takes a free one."""

    def __init__(self, providers: EmbeddedProviders, host: str = "127.0.0.1", port: int = 0) -> None:
        self._providers = providers
        self._host = host
        self._runner: web.AppRunner | None = None
        self.port = port

    async def start(self) -> None:
        """Listen. Raises OSError when the port is taken."""
        app = web.Application()
        app.router.add_post("/faults", self._set_fault)
        app.router.add_get("/faults", self._get_faults)
        app.router.add_delete("/faults", self._clear_faults)
        app.router.add_post("/latency", self._set_latency)
        app.router.add_get("/requests", self._get_requests)
        app.router.add_delete("/requests", self._clear_requests)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self.port).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _set_fault(self, request: web.Request) -> web.Response:
        body = await _object(request)
        unknown = set(body) - {"fault", *_FAULT_OPTIONS}
        if unknown:
            return _refusal(f"unknown key {sorted(unknown)[0]!r}")
        try:
            await self._providers.set_fault(
                str(body.get("fault")), **{name: body[name] for name in _FAULT_OPTIONS if name in body}
            )
        except (UnknownFaultError, TypeError) as error:
            return _refusal(str(error))
        return await self._get_faults(request)

    async def _get_faults(self, request: web.Request) -> web.Response:
        return _json({"faults": self._providers.faults()})

    async def _clear_faults(self, request: web.Request) -> web.Response:
        try:
            await self._providers.clear_faults(**_selection(request))
        except UnknownFaultError as error:
            return _refusal(str(error))
        return await self._get_faults(request)

    async def _set_latency(self, request: web.Request) -> web.Response:
        body = await _object(request)
        try:
            self._providers.set_latency(str(body.get("model")), float(body.get("ms", 0)))
        except (UnknownFaultError, ValueError, TypeError) as error:
            return _refusal(str(error))
        return _json({})

    async def _get_requests(self, request: web.Request) -> web.Response:
        records = self._providers.requests(**_selection(request))
        return _json({"requests": [dataclasses.asdict(record) for record in records]})

    async def _clear_requests(self, request: web.Request) -> web.Response:
        self._providers.clear_requests()
        return _json({})


async def _object(request: web.Request) -> Mapping[str, Any]:
    """The body as a JSON object. Raises HTTPBadRequest when it is not one."""
    try:
        body = msgspec.json.decode(await request.read())
    except msgspec.DecodeError as exc:
        raise web.HTTPBadRequest(text=f'{{"error": "not JSON: {exc}"}}\n') from exc
    if not isinstance(body, dict):
        raise web.HTTPBadRequest(text='{"error": "not a JSON object"}\n')
    return body


def _selection(request: web.Request) -> dict[str, str]:
    return {name: request.query[name] for name in ("provider", "model") if name in request.query}


def _json(value: Mapping[str, object], status: int = 200) -> web.Response:
    # The line break is for people who read it in a terminal.
    return web.Response(body=msgspec.json.encode(value) + b"\n", status=status, content_type="application/json")


def _refusal(reason: str) -> web.Response:
    return _json({"error": reason}, 400)
