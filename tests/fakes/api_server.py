"""Kubernetes' API server as `sidecar certificate` asks it: over TLS, with tokens, RBAC and resource versions."""

import copy
import json
import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import trustme

TOKEN = "a-service-account-s-token"

SECRETS = "/api/v1/namespaces/llm-sidecar-system/secrets"
WEBHOOKS = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"

EVERYTHING = frozenset(
    {("secrets", verb) for verb in ("get", "create", "update")}
    | {("mutatingwebhookconfigurations", verb) for verb in ("get", "patch")}
)
"""What the manifests' service account may do."""

_VERBS = {"GET": "get", "POST": "create", "PUT": "update", "PATCH": "patch"}

Json = dict[str, Any]


class _RefusedError(Exception):
    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


class FakeApiServer:
    """For one block. `folder` becomes a service account's, with token and CA; things are kept by their path."""

    def __init__(self, folder: Path) -> None:
        self.things: dict[str, Json] = {}
        self.rights = EVERYTHING
        self.writes: list[str] = []
        """Verb and path of what was written, in order."""
        self.interfere: Callable[[str, str], None] = lambda _verb, _path: None
        """Called with verb and path before anything is done: what others do at that moment."""
        self._version = 0
        self._lock = threading.Lock()
        ca = trustme.CA()
        ca.cert_pem.write_to_path(folder / "ca.crt")
        (folder / "token").write_text(TOKEN)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        ca.issue_cert("127.0.0.1").configure_cert(context)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    @property
    def environment(self) -> dict[str, str]:
        """Of a pod's containers."""
        port = self._server.server_address[1]
        return {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(port)}

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def put(self, path: str, value: Json) -> None:
        """As it is stored, whoever puts it there."""
        self._version += 1
        stored = copy.deepcopy(value)
        stored["metadata"] = {**stored.get("metadata", {}), "resourceVersion": str(self._version)}
        self.things[path] = stored

    def answer(self, method: str, path: str, token: str | None, kind: str, body: bytes) -> tuple[int, Json]:
        """Status and body."""
        self.interfere(_VERBS[method], path)
        with self._lock:
            try:
                return self._do(method, path, token, kind, json.loads(body or "{}"))
            except _RefusedError as refused:
                status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": refused.status}
                return refused.status, status | {"reason": refused.reason, "message": str(refused)}

    def _do(self, method: str, path: str, token: str | None, kind: str, value: Json) -> tuple[int, Json]:
        verb = _VERBS[method]
        if token != f"Bearer {TOKEN}":
            raise _RefusedError(401, "Unauthorized", "Unauthorized")
        collection, _, name = (path, "", "") if verb == "create" else path.rpartition("/")
        plural = collection.rpartition("/")[2]
        if (plural, verb) not in self.rights:
            user = "system:serviceaccount:llm-sidecar-system:llm-sidecar-certificate"
            named = f'{plural} "{name}"' if name else plural
            message = f'{named} is forbidden: User "{user}" cannot {verb} resource "{plural}"'
            raise _RefusedError(403, "Forbidden", message)
        if verb == "create":
            path, name = f"{path}/{value['metadata']['name']}", value["metadata"]["name"]
            if path in self.things:
                raise _RefusedError(409, "AlreadyExists", f'{plural} "{name}" already exists')
        elif path not in self.things:
            raise _RefusedError(404, "NotFound", f'{plural} "{name}" not found')
        if verb != "get":
            self._write(verb, path, kind, value)
        return (201 if verb == "create" else 200), self.things[path]

    def _write(self, verb: str, path: str, kind: str, value: Json) -> None:
        version = value.get("metadata", {}).get("resourceVersion")
        if version is not None and version != self.things[path]["metadata"]["resourceVersion"]:
            message = "the object has been modified; please apply your changes to the latest version and try again"
            raise _RefusedError(409, "Conflict", message)
        if verb == "patch":
            assert kind == "application/strategic-merge-patch+json", kind
            value = _merge(self.things[path], value)
        self.writes.append(f"{verb} {path}")
        self.put(path, value)


def _merge(old: Any, new: Any) -> Any:
    """A strategic merge patch: the webhooks of a configuration are merged by their names."""
    if isinstance(old, dict) and isinstance(new, dict):
        return old | {key: _merge(old.get(key), value) for key, value in new.items()}
    if isinstance(old, list) and isinstance(new, list):
        by_name = {it["name"]: it for it in old}
        return list((by_name | {it["name"]: _merge(by_name.get(it["name"], {}), it) for it in new}).values())
    return new


def _handler(server: FakeApiServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, answer = server.answer(
                self.command, self.path, self.headers["Authorization"], self.headers.get_content_type(), body
            )
            sent = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        do_GET = do_POST = do_PUT = do_PATCH = _answer  # noqa: N815 - the base class wants these names

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class named it
            """Quiet."""

    return Handler
