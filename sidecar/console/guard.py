"""Who may see the console: people at this machine, and whoever knows the token."""

import hashlib
import hmac
import ipaddress
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

TOKEN_VARIABLE = "SIDECAR_CONSOLE_TOKEN"  # noqa: S105
"""Where the token comes from; for messages."""

# Nobody is slowed down who guesses: that would lock out whoever knows it, too. 32 random hexadecimal digits have 128
# bits, and are found at no speed.
_SHORTEST_TOKEN = 32

_COOKIE = "sidecar_console"

_FOR_PROBES = frozenset(("/healthz", "/readyz", "/metrics"))

# The page's own script and style only, and no text ever read as HTML.
_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)

_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # with none at all a browser would not tell whose form it posts
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}

LoginPage = Callable[[web.Request], Awaitable[web.StreamResponse]]


class WeakTokenError(Exception):
    """A token that could be guessed, and how to make another one."""


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a port there."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() in ("localhost", "localhost.")


async def add_headers(_request: web.Request, response: web.StreamResponse) -> None:
    """Signal handler for every answer."""
    response.headers.update(_HEADERS)
    response.headers.setdefault("Cache-Control", "no-store")


class Guard:
    """Lets requests through or not."""

    def __init__(self, host: str, token: str | None, ask_for_token: LoginPage) -> None:
        """`ask_for_token` is the answer to a browser that has none. Raises WeakTokenError."""
        self._is_local = is_loopback(host)
        if token and not self._is_local and len(token) < _SHORTEST_TOKEN:
            raise WeakTokenError(
                f"{TOKEN_VARIABLE}: expected {_SHORTEST_TOKEN} characters or more, random ones, "
                f"as `openssl rand -hex 32` prints them; got {len(token)}"
            )
        self._token = token or None
        self._ask_for_token = ask_for_token
        # Follows from the token, so that another token ends all sessions; and does not tell it.
        self._session = hmac.digest((token or "").encode(), b"console session", hashlib.sha256).hex()

    @property
    def middleware(self) -> Middleware:
        """For the application."""

        @web.middleware
        async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
            return await self._check(request, handler)

        return check

    def is_signed_in(self, request: web.Request) -> bool:
        """With a cookie."""
        return not self._is_local and _same(request.cookies.get(_COOKIE, ""), self._session)

    def sign_in(self, request: web.Request, token: str, response: web.StreamResponse) -> bool:
        """Whether that is the token; then the response has the cookie."""
        if self._is_local or self._token is None or not _same(token, self._token):
            return False
        is_secure = request.secure or request.headers.get("X-Forwarded-Proto") == "https"
        response.set_cookie(_COOKIE, self._session, httponly=True, samesite="Strict", secure=is_secure, path="/")
        return True

    def sign_out(self, response: web.StreamResponse) -> None:
        """Take the cookie away."""
        response.del_cookie(_COOKIE, path="/")

    async def _check(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if self._is_local and not is_loopback(_host_of(request.host)):
            # Whoever resolves a name of theirs to 127.0.0.1 could have a browser read everything here.
            raise web.HTTPForbidden(text="on a loopback address this port is asked as localhost or 127.0.0.1\n")
        if request.method not in ("GET", "HEAD") and not _is_same_origin(request):
            raise web.HTTPForbidden(text="pages of other sites may not post to the console\n")
        if self._is_local or request.path in _FOR_PROBES:
            return await handler(request)
        if self._token is None:
            raise web.HTTPForbidden(
                text="The console is not on a loopback address, so it asks for a token, and none is set.\n"
                f"Start the sidecar with {TOKEN_VARIABLE} in its environment, at least {_SHORTEST_TOKEN} random "
                "characters, or with --http on 127.0.0.1.\n"
            )
        if not _is_open(request) and not self._knows_token(request):
            return await self._ask_for_token(request)
        return await handler(request)

    def _knows_token(self, request: web.Request) -> bool:
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        if kind.lower() == "bearer":
            return _same(token.strip(), self._token or "")
        return self.is_signed_in(request)


def _is_open(request: web.Request) -> bool:
    """The login, and what its page is made of: the same files that everybody can install."""
    return request.path == "/login" or request.path.startswith("/static/")


def _is_same_origin(request: web.Request) -> bool:
    """Also of what is no browser, which says nothing of where it comes from."""
    if request.headers.get("Sec-Fetch-Site", "none") not in ("same-origin", "none"):
        return False
    origin = request.headers.get("Origin")
    return origin is None or urlsplit(origin).netloc.lower() == request.host.lower()


def _host_of(authority: str) -> str:
    """Without the port."""
    if authority.startswith("["):
        return authority[1:].partition("]")[0]
    return authority.partition(":")[0]


def _same(one: str, other: str) -> bool:
    """In the same time whatever they have in common."""
    return hmac.compare_digest(one.encode("utf-8", "surrogateescape"), other.encode())
