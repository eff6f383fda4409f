"""Structured answers: JSON in place of the text, when the request asks for it."""

import msgspec

from sidecar.demo.providers.samples import sample_of


def structured_text(response_format: object) -> str | None:
    """JSON that fits `response_format` (chat) or `text.format` (Responses); None for plain text."""
    if not isinstance(response_format, dict):
        return None
    kind = response_format.get("type")
    if kind == "json_object":
        return '{"answer": "example"}'
    if kind != "json_schema":
        return None
    # Chat nests the schema one level deeper than Responses.
    named = response_format.get("json_schema") or response_format
    return msgspec.json.encode(sample_of(named.get("schema") or {})).decode()
