"""The few questions that are asked of Kubernetes' API server, from inside a pod."""

import http.client
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_TIMEOUT_SECONDS = 15.0

_VERBS = {"GET": "get", "POST": "create", "PUT": "update", "PATCH": "patch"}

_STRATEGIC_MERGE = "application/strategic-merge-patch+json"

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Resource:
    """One thing that the API server has, or could have."""

    group: str
    """'' for the core's."""
    plural: str
    name: str
    namespace: str | None = None

    @property
    def collection(self) -> str:
        """Path of all of its kind."""
        root = f"/apis/{self.group}/v1" if self.group else "/api/v1"
        scope = "" if self.namespace is None else f"/namespaces/{self.namespace}"
        return f"{root}{scope}/{self.plural}"

    @property
    def path(self) -> str:
        """Its own."""
        return f"{self.collection}/{self.name}"

    def __str__(self) -> str:
        scope = "" if self.namespace is None else f" in namespace {self.namespace}"
        return f"{self.plural}/{self.name}{scope}"


class ApiError(Exception):
    """The API server cannot be asked, or refused, and what to do."""


class NotFoundError(ApiError):
    """There is no such thing."""


class ConflictError(ApiError):
    """Somebody else wrote it in between, or made it first."""


class ApiServer:
    """One HTTPS connection for each request: there are four of them."""

    def __init__(self, host: str, port: int, *, token: str, context: ssl.SSLContext) -> None:
        """`context` trusts the API server's CA."""
        self._host = host
        self._port = port
        self._token = token
        self._context = context

    @classmethod
    def in_cluster(cls, environment: Mapping[str, str], folder: Path) -> "ApiServer":
        """As the pod's service account, whose token and CA are in `folder`. Raises ApiError outside a pod, or in one
        without a token.
        """
        host, port = environment.get("KUBERNETES_SERVICE_HOST"), environment.get("KUBERNETES_SERVICE_PORT")
        if not host or not port or not port.isdecimal():
            raise ApiError("KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set: this runs in a pod")
        try:
            token = (folder / "token").read_text().strip()
            context = ssl.create_default_context(cafile=str(folder / "ca.crt"))
        except OSError as error:
            raise ApiError(
                f"{folder}: expected token and ca.crt of a service account ({error.strerror or error}); "
                "the pod needs automountServiceAccountToken: true"
            ) from error
        return cls(host, int(port), token=token, context=context)

    def get(self, resource: Resource) -> Json:
        """Raises ApiError, as all of these."""
        return self._ask("GET", resource, resource.path)

    def create(self, resource: Resource, value: Json) -> Json:
        """Raises ConflictError if there is one of that name."""
        return self._ask("POST", resource, resource.collection, value)

    def update(self, resource: Resource, value: Json) -> Json:
        """Raises ConflictError if its resourceVersion is no longer the latest."""
        return self._ask("PUT", resource, resource.path, value)

    def patch(self, resource: Resource, value: Json) -> Json:
        """A strategic merge patch. Raises ConflictError if it has a resourceVersion that is not the latest."""
        return self._ask("PATCH", resource, resource.path, value, _STRATEGIC_MERGE)

    def _ask(
        self, method: str, resource: Resource, path: str, value: Json | None = None, kind: str = "application/json"
    ) -> Json:
        headers = {"Authorization": f"Bearer {self._token}", "Accept": "application/json"}
        body = None
        if value is not None:
            body = json.dumps(value).encode()
            headers["Content-Type"] = kind
        connection = http.client.HTTPSConnection(
            self._host, self._port, timeout=_TIMEOUT_SECONDS, context=self._context
        )
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            answer = _read(response.read())
        except (OSError, http.client.HTTPException) as error:
            raise ApiError(f"cannot reach the API server at {self._host}:{self._port}: {error}") from error
        finally:
            connection.close()
        if response.status >= http.client.BAD_REQUEST:
            raise _refused(response.status, _VERBS[method], resource, str(answer.get("message", response.reason)))
        return answer


def _read(body: bytes) -> Json:
    """Empty for what is no JSON object, as a proxy's error page."""
    try:
        value = json.loads(body)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _refused(status: int, verb: str, resource: Resource, message: str) -> ApiError:
    told = f"cannot {verb} {resource}: {message}"
    if status == http.client.NOT_FOUND:
        return NotFoundError(told)
    if status == http.client.CONFLICT:
        return ConflictError(told)
    if status == http.client.UNAUTHORIZED:
        return ApiError(f"{told}; the API server does not take the service account's token")
    if status == http.client.FORBIDDEN:
        return ApiError(f"{told}; {_missing_rule(verb, resource)}")
    return ApiError(f"{told} ({status})")


def _missing_rule(verb: str, resource: Resource) -> str:
    role = "ClusterRole" if resource.namespace is None else "Role"
    # What does not exist yet has no name to restrict a rule to.
    names = "" if verb == "create" else f", resourceNames: [{resource.name}]"
    rule = f'apiGroups: ["{resource.group}"], resources: [{resource.plural}]{names}, verbs: [{verb}]'
    return f"its service account needs a {role} with the rule {{{rule}}}"
