"""GET models: what a provider says it has, for the list and for one model."""

from typing import Any

from sidecar.demo.providers.answers import JsonAnswer, json_answer
from sidecar.demo.providers.catalog import ANTHROPIC, Provider
from sidecar.demo.providers.errors import unknown_model

# Any fixed time will do: 1 January 2025.
CREATED = 1_735_689_600
CREATED_AT = "2025-01-01T00:00:00Z"


def list_models(provider: Provider) -> JsonAnswer:
    """The answer to GET models."""
    data = [_entry(provider, model) for model in provider.models]
    if provider.name != ANTHROPIC.name:
        return json_answer({"object": "list", "data": data})
    ends = {"first_id": data[0]["id"], "last_id": data[-1]["id"]} if data else {}
    return json_answer({"data": data, "has_more": False, **ends})


def show_model(provider: Provider, model: str) -> JsonAnswer:
    """The answer to GET models/<id>. Raises ApiError 404 for a model the provider does not have."""
    if model not in provider.models:
        raise unknown_model(provider, model)
    return json_answer(_entry(provider, model))


def _entry(provider: Provider, model: str) -> dict[str, Any]:
    if provider.name == ANTHROPIC.name:
        return {"type": "model", "id": model, "display_name": model, "created_at": CREATED_AT}
    return {"id": model, "object": "model", "created": CREATED, "owned_by": provider.name}
