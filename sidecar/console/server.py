"""The sidecar's HTTP port: health and counts for probes and Prometheus, the console for people, feedback."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

import msgspec
from aiohttp import web

from sidecar.console.guard import Guard, add_headers
from sidecar.console.inputs import EXPLAIN_BYTES, FEEDBACK_BYTES, InputError, read_feedback, read_question
from sidecar.console.live import LiveRequests
from sidecar.console.policy_view import PolicyView
from sidecar.console.static_files import StaticFile, read_static_files
from sidecar.console.updates import Updates
from sidecar.routing.feedback import Feedback

_PROMETHEUS_TEXT = "text/plain; version=0.0.4; charset=utf-8"

_LOGIN_BYTES = 4_096

_LOGIN_FAULT = b'<p class="fault" role="alert" hidden>'

# For requests under way when we leave; open pages are left at once.
_SHUTDOWN_SECONDS = 2.0

_ENCODER = msgspec.json.Encoder()


class Explained(Protocol):
    """What would become of a request."""

    @property
    def status(self) -> int:
        """200 for one that would be sent on."""
        ...

    @property
    def record(self) -> bytes:
        """The decision record; empty for a request that the router leaves alone."""
        ...

    @property
    def body(self) -> bytes:
        """What the client would get of a rejection, else empty."""
        ...


Explain = Callable[[str, Mapping[str, str], bytes], Awaitable[Explained]]
"""Path, headers and body of a POST. Raises ExplainError."""


class ExplainError(Exception):
    """Nobody could say what would become of the request, and why."""


class ConsoleServer:
    """`/healthz`, `/readyz`, `/metrics`, `/config`, `/feedback`, and the page at `/` with what it is made of."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        why_not_ready: Callable[[], str | None],
        has_older_policy: Callable[[], bool],
        pids: Callable[[], list[int]],
        render_metrics: Callable[[], bytes],
        live: LiveRequests,
        explain: Explain,
        describe_policy: Callable[[], PolicyView],
        write_feedback: Callable[[Feedback], None],
        token: str | None = None,
        trace_url: str | None = None,
    ) -> None:
        """`why_not_ready` returns None when ready; `pids` are the workers'; `render_metrics` gives Prometheus' text.

        `describe_policy` is asked often: while the policy is the same it should return the same object.
        `token` is asked for unless `host` is a loopback address. `trace_url` has `{trace_id}` in it. Raises
        WeakTokenError.
        """
        self._host = host
        self._port = port
        self._why_not_ready = why_not_ready
        self._has_older_policy = has_older_policy
        self._pids = pids
        self._render_metrics = render_metrics
        self._live = live
        self._explain = explain
        self._describe_policy = describe_policy
        self._write_feedback = write_feedback
        self._trace_url = trace_url
        self._files = read_static_files()
        self.updates = Updates(live, lambda: describe_policy().policy.hash)
        """Open pages."""
        self._guard = Guard(host, token, self._ask_for_token)
        self._runner = web.AppRunner(
            self._build(), access_log=None, handler_cancellation=True, shutdown_timeout=_SHUTDOWN_SECONDS
        )

    async def start(self) -> None:
        """Listen. Raises OSError if the port cannot be had."""
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host, self._port).start()
        except OSError as error:
            raise OSError(f"cannot listen on {self._host}:{self._port}: {error.strerror or error}") from error
        self.updates.start()

    async def stop(self) -> None:
        """Close every connection."""
        await self.updates.stop()
        await self._runner.cleanup()

    def _build(self) -> web.Application:
        app = web.Application(middlewares=[self._guard.middleware], client_max_size=EXPLAIN_BYTES)
        app.on_response_prepare.append(add_headers)
        app.add_routes(
            [
                web.get("/healthz", self._healthz),
                web.get("/readyz", self._readyz),
                web.get("/metrics", self._metrics),
                web.get("/config", self._config),
                web.post("/feedback", self._feedback),
                web.get("/", self._page),
                web.get("/static/{name}", self._static),
                web.get("/events", self.updates.serve),
                web.get("/requests/{key}", self._request),
                web.get("/policy", self._policy),
                web.post("/explain", self._explain_one),
                web.get("/login", self._ask_for_token),
                web.post("/login", self._login),
                web.post("/logout", self._logout),
            ]
        )
        return app

    async def _healthz(self, _request: web.Request) -> web.Response:
        return _json({"workers": self._pids()})

    async def _readyz(self, _request: web.Request) -> web.Response:
        why_not = self._why_not_ready()
        if why_not is not None:
            return web.Response(status=503, text=f"{why_not}\n")
        # No reason to take requests from it: they are decided, by the policy before.
        older = ", with an older policy: what the file says now cannot be used" if self._has_older_policy() else ""
        return web.Response(text=f"ready{older}\n")

    async def _metrics(self, _request: web.Request) -> web.Response:
        return web.Response(body=self._render_metrics(), headers={"content-type": _PROMETHEUS_TEXT})

    async def _config(self, _request: web.Request) -> web.Response:
        view = self._describe_policy()
        return _json({"hash": view.policy.hash, "policy": view.text})

    async def _feedback(self, request: web.Request) -> web.Response:
        try:
            feedback = read_feedback(await _read(request, FEEDBACK_BYTES))
        except InputError as error:
            return _fault(400, str(error))
        self._write_feedback(feedback)
        return web.Response(status=204)

    async def _page(self, request: web.Request) -> web.Response:
        return _serve(self._files["index.html"], request)

    async def _static(self, request: web.Request) -> web.Response:
        file = self._files.get(request.match_info["name"])
        if file is None or file.content_type.startswith("text/html"):
            raise web.HTTPNotFound
        return _serve(file, request)

    async def _request(self, request: web.Request) -> web.Response:
        found = self._live.find(request.match_info["key"])
        if found is None:
            return _fault(404, "not among the last requests; the record log has it")
        return web.Response(body=found, content_type="application/json")

    async def _policy(self, request: web.Request) -> web.Response:
        summary = self._describe_policy().summary
        return _json({**summary, "trace_url": self._trace_url, "signed_in": self._guard.is_signed_in(request)})

    async def _explain_one(self, request: web.Request) -> web.Response:
        try:
            question = read_question(await _read(request, EXPLAIN_BYTES))
            explained = await self._explain(question.path, question.headers, bytes(question.body))
        except InputError as error:
            return _fault(400, str(error))
        except ExplainError as error:
            return _fault(503, f"no worker could be asked: {error}")
        record = msgspec.Raw(explained.record) if explained.record else None
        body = explained.body.decode("utf-8", "replace")
        return _json({"status": explained.status, "record": record, "body": body})

    async def _ask_for_token(self, request: web.Request) -> web.Response:
        """A form, to browsers."""
        if request.method != "GET" or "text/html" not in request.headers.get("Accept", ""):
            response = _fault(401, "expected the header Authorization: Bearer …, with the console's token")
            response.headers["WWW-Authenticate"] = "Bearer"
            return response
        return self._login_page(200 if request.path == "/login" else 401, self._files["login.html"].body)

    async def _login(self, request: web.Request) -> web.Response:
        await _read(request, _LOGIN_BYTES)
        token = (await request.post()).get("token")
        response = web.Response(status=303, headers={"Location": "/"})
        if isinstance(token, str) and self._guard.sign_in(request, token, response):
            return response
        shown = _LOGIN_FAULT.replace(b" hidden", b"")
        return self._login_page(403, self._files["login.html"].body.replace(_LOGIN_FAULT, shown))

    def _login_page(self, status: int, body: bytes) -> web.Response:
        return web.Response(status=status, body=body, headers={"Content-Type": "text/html; charset=utf-8"})

    async def _logout(self, _request: web.Request) -> web.Response:
        response = web.Response(status=303, headers={"Location": "/"})
        self._guard.sign_out(response)
        return response


async def _read(request: web.Request, limit: int) -> bytes:
    """Raises HTTPRequestEntityTooLarge for more than that many bytes, unread as far as may be."""
    too_large = web.HTTPRequestEntityTooLarge(max_size=limit, actual_size=request.content_length or limit + 1)
    if (request.content_length or 0) > limit:
        raise too_large
    body = await request.read()
    if len(body) > limit:
        raise too_large
    return body


def _serve(file: StaticFile, request: web.Request) -> web.Response:
    """Asked for each time, sent only when it is another one."""
    etag = f'"{file.etag}"'
    headers = {"ETag": etag, "Cache-Control": "no-cache"}
    if request.headers.get("If-None-Match") == etag:
        return web.Response(status=304, headers=headers)
    return web.Response(body=file.body, headers={**headers, "Content-Type": file.content_type})


def _json(value: dict[str, Any]) -> web.Response:
    return web.Response(body=_ENCODER.encode(value), content_type="application/json")


def _fault(status: int, message: str) -> web.Response:
    return web.Response(status=status, body=_ENCODER.encode({"error": message}), content_type="application/json")
