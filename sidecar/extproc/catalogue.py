"""`GET /v1/models` and `GET /v1/models/NAME`: what the caller may ask for, in the shape of its API."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from sidecar.extproc import replies
from sidecar.routing.api import Api, Endpoint
from sidecar.routing.catalogue import models_for_caller
from sidecar.routing.policy import Policy
from sidecar.routing.reason import Reason
from sidecar.routing.rejection import RejectedError
from sidecar.routing.signals import TENANT, RequestHead

# SDKs escape the slashes in a name, people don't.
_PATH = re.compile(r"/v1/models(?:/([^?;]*))?(?:[;?].*)?", re.DOTALL)

# Who sends it speaks Anthropic's API, whose SDKs always do.
_ANTHROPIC_HEADER = "anthropic-version"

HEADERS = frozenset((_ANTHROPIC_HEADER,))
"""Request headers that are looked at, besides the policy's."""

# SDKs expect a date; a policy has none.
_CREATED = 0
_CREATED_AT = "1970-01-01T00:00:00Z"


@dataclass(frozen=True, slots=True)
class CatalogueRequest:
    """A question for models."""

    name: str | None
    """None: for all of them."""

    def answer(self, policy: Policy, headers: Mapping[str, str]) -> bytes:
        """The message to Envoy; headers by name, in lower case."""
        api = Api.ANTHROPIC if _ANTHROPIC_HEADER in headers else Api.OPENAI
        entries = _entries(policy, api, headers)
        if self.name is None:
            return replies.list_models(_list(api, list(entries.values())))
        entry = entries.get(self.name)
        if entry is None:
            unknown = RejectedError(
                Reason.UNKNOWN_MODEL,
                f"model: this gateway has no such model for you; it has {', '.join(entries)}",
                status=404,
                param="model",
                code="model_not_found",
            )
            return replies.refuse_model_lookup(api, unknown)
        return replies.list_models(entry)


def find_catalogue_request(method: str, path: str) -> CatalogueRequest | None:
    """None for anything else."""
    match = _PATH.fullmatch(path) if method == "GET" else None
    if match is None:
        return None
    return CatalogueRequest(unquote((match[1] or "").rstrip("/")) or None)


def _entries(policy: Policy, api: Api, headers: Mapping[str, str]) -> dict[str, dict[str, object]]:
    tenant = RequestHead("", headers).header(policy.reader.headers.get(TENANT, ""))
    endpoints = frozenset(endpoint for endpoint in Endpoint if endpoint.api is api)
    owners = dict.fromkeys(policy.virtual_models, "auto")
    owners |= {m.name: m.provider for m in models_for_caller(policy, tenant, endpoints)}
    return {name: _entry(api, name, owner) for name, owner in owners.items()}


def _entry(api: Api, name: str, owner: str) -> dict[str, object]:
    if api is Api.ANTHROPIC:
        return {"type": "model", "id": name, "display_name": name, "created_at": _CREATED_AT}
    return {"id": name, "object": "model", "created": _CREATED, "owned_by": owner}


def _list(api: Api, entries: list[dict[str, object]]) -> dict[str, object]:
    if api is Api.ANTHROPIC:
        return {
            "data": entries,
            "has_more": False,
            "first_id": entries[0]["id"] if entries else None,
            "last_id": entries[-1]["id"] if entries else None,
        }
    return {"object": "list", "data": entries}
