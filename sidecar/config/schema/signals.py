"""`signals`: what a policy has read of requests."""

from typing import Annotated

from pydantic import BeforeValidator, Field, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from sidecar.config.schema.values import HeaderName, Name, OneOrMore, Text, Written, enumerated, one_of

REQUEST = "request"

_PLACES = ("prompt", REQUEST)


class WrittenSearch(Written):
    """Words, phrases or patterns, and where they are looked for; without the latter they may stand alone."""

    any: Annotated[OneOrMore[Text], Field(examples=[["bluebird", "falcon nine"]])]
    """What is looked for."""
    in_: Annotated[str, one_of(_PLACES), enumerated(_PLACES), Field(alias="in")] = _PLACES[0]
    """`prompt`: in the last user turn that has text. `request`: in every text of the body, whoever wrote it: system
    prompt, earlier turns, answers, tools and what they gave back."""


class _SearchSchema:
    """For editors: what is looked for may stand alone."""

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        schema = handler(core)
        alone = handler.resolve_ref_schema(schema)["properties"]["any"]["anyOf"]
        return {"anyOf": [*alone, schema]}


def _as_mapping(value: object) -> object:
    return value if isinstance(value, dict) else {"any": value}


Search = Annotated[WrittenSearch, BeforeValidator(_as_mapping), _SearchSchema()]


class WrittenSignals(Written):
    """What rules can look at, beyond what every request has."""

    headers: dict[Name, HeaderName] = Field(
        default_factory=dict, examples=[{"tenant": "x-tenant-id", "plan": "x-plan"}]
    )
    """Request headers, by the names that this file has for them. Three of these names mean something: `tenant` is
    whose request it is, `user` and `conversation` are what splits go by."""
    keywords: dict[Name, Search] = Field(default_factory=dict, examples=[{"incident": ["outage"]}])
    """Lists of words and phrases, found as whole words in any case."""
    patterns: dict[Name, Search] = Field(default_factory=dict, examples=[{"ticket": "[A-Z]{2,6}-[0-9]+"}])
    """Regular expressions in RE2's syntax, found anywhere in a text."""
