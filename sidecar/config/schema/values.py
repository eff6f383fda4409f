"""The kinds of value that a policy file is made of."""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, time
from typing import Annotated, Any, TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    GetJsonSchemaHandler,
    InstanceOf,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, PydanticKnownError

from sidecar.config.document import Loc
from sidecar.routing.api import Api, Endpoint
from sidecar.routing.reason import Reason
from sidecar.routing.tier import Tier

T = TypeVar("T")

TIERS = {tier.label: tier for tier in Tier}

# Names travel in HTTP headers, in Envoy cluster names and in metric labels.
_NAME = r"^[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,127}$"

# RFC 9110: a header's name is a token.
_HEADER = r"^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$"

_URL = r"^https?://[^/?#\s]+[^?#\s]*$"
_PATH = r"^/[!-~]*$"
_CLOCK = r"^([01]?[0-9]|2[0-3]):[0-5][0-9]$|^24:00$"
_DAY = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
_MOMENT = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2})?([Zz]|[+-][0-9]{2}:[0-9]{2})?)?$"
_ZONE = r"^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*$"

PATTERN_WORDS = {
    _HEADER: "the name of a header, like x-tenant-id",
    _URL: "a URL like https://api.example.com/v1",
    _PATH: "a path like /v1/messages",
    _CLOCK: "a time of the day like 18:00",
    _DAY: "a day like 2027-01-31",
    _MOMENT: "a time like 2027-01-31T18:00Z",
    _ZONE: "a time zone like Europe/Berlin or UTC",
}
"""What a text with that pattern is, to whoever writes it."""

_MOST = 1_000_000_000


UNTOLD = ""
"""The message of a fault that says no more than what the schema expects."""


class Written(BaseModel):
    """A mapping whose keys are known; frozen, and strict: "5" is not a number and 5 is no text."""

    model_config = ConfigDict(
        strict=True, extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False
    )

    @model_validator(mode="before")
    @classmethod
    def _nothing_is_nothing(cls, written: object) -> object:
        """A key with nothing behind it is not a key left out: whoever wrote it meant something."""
        if isinstance(written, dict):
            for key, value in written.items():
                if value is None:
                    raise fault("wrong-kind", UNTOLD, at=(key,))
        return written


def fault(id_: str, message: str, at: Loc = ()) -> PydanticCustomError:
    """To be raised by a validator; `at` leads from the validated value to the one that is wrong."""
    # The message as a value, since braces in a template would be filled in.
    return PydanticCustomError(id_, "{message}", {"message": message, "at": at})


def at_most_one(written: Written, keys: Iterable[str]) -> str | None:
    """The one of these keys that is there. Raises a fault if several are."""
    given = [key for key in keys if key in written.model_fields_set]
    if len(given) > 1:
        raise fault("keys-exclude-each-other", f"not together with {given[0]}", at=(given[1],))
    return given[0] if given else None


def need_any(written: Written) -> None:
    """Raises a fault if none of its keys is there."""
    if not written.model_fields_set:
        keys = [info.alias or name for name, info in type(written).model_fields.items()]
        raise fault("mapping-empty", f"at least one is needed, of {', '.join(keys)}")


def kind_of(value: object) -> str:
    """The tag of the branch that a value is meant for, where several kinds may stand."""
    for kind, tag in ((bool, FLAG), (str, TEXT), (dict, MAPPING), (list, LIST), (BaseModel, MAPPING)):
        if isinstance(value, kind):
            return tag
    return "<other>"


# Pydantic puts a tag into the path of an error; a document has no such keys, so whoever walks it passes them over.
TEXT, FLAG, MAPPING, LIST = "<text>", "<true or false>", "<mapping>", "<list>"

BY_KIND = Discriminator(kind_of)


class _OneOrMoreSchema:
    """For editors: one item, or a list of them."""

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        schema = handler(core)
        return {"anyOf": [schema["items"], schema]}


def _as_tuple(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


def _one_or_more(value: object) -> object:
    return tuple(value) if isinstance(value, list) else (value,)


Listed = Annotated[tuple[T, ...], BeforeValidator(_as_tuple)]
"""A list."""

NonEmpty = Annotated[tuple[T, ...], Field(min_length=1), BeforeValidator(_as_tuple)]
"""A list with something in it."""

AnyNumber = Annotated[tuple[T, ...], BeforeValidator(_one_or_more), _OneOrMoreSchema()]
"""One, or a list of them, which may be empty."""

OneOrMore = Annotated[tuple[T, ...], Field(min_length=1), BeforeValidator(_one_or_more), _OneOrMoreSchema()]
"""One, or a list of them."""


def _one_line(text: str) -> str:
    if not text.isprintable():
        raise fault("control-characters", f"expected text without control characters, got {text!r}")
    return text


def _matching(pattern: str, id_: str) -> AfterValidator:
    compiled = re.compile(pattern)

    def check(text: str) -> str:
        if not compiled.fullmatch(text):
            raise _unlike(pattern, id_, text)
        return text

    return AfterValidator(check)


def _unlike(pattern: str, id_: str, text: str) -> PydanticCustomError:
    if pattern == _NAME:
        return fault(id_, "a name has up to 128 letters, digits and . _ : / @ + -, a letter or digit first")
    return fault(id_, f"expected {PATTERN_WORDS[pattern]}, got {text!r}")


def _with_host(text: str) -> str:
    try:
        parts = urlsplit(text)
        can_be_reached = bool(parts.hostname) and parts.port != 0
    except ValueError:  # "[" without "]", a port above 65535
        can_be_reached = False
    if not can_be_reached:
        raise _unlike(_URL, "bad-url", text)
    return text


def _patterned(pattern: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": pattern})


Text = Annotated[str, StringConstraints(min_length=1), AfterValidator(_one_line)]
"""On one line."""

Prose = Annotated[str, StringConstraints(min_length=1)]
"""On any number of lines."""

Name = Annotated[str, _matching(_NAME, "bad-name"), _patterned(_NAME)]
HeaderName = Annotated[str, _matching(_HEADER, "bad-header"), AfterValidator(str.lower), _patterned(_HEADER)]
BaseUrl = Annotated[str, _matching(_URL, "bad-url"), AfterValidator(_with_host), _patterned(_URL)]
Path = Annotated[str, _matching(_PATH, "bad-path"), _patterned(_PATH)]


def _word_of(words: Mapping[str, Any]) -> BeforeValidator:
    """Words that stand for values of ours; what is none of them is left for the type itself to refuse."""
    return BeforeValidator(lambda value: words.get(value, value) if isinstance(value, str) else value)


def enumerated(words: Iterable[str]) -> WithJsonSchema:
    """For editors: these words and no others."""
    return WithJsonSchema({"type": "string", "enum": list(words)})


def one_of(words: Iterable[str]) -> AfterValidator:
    """Refuses every other word."""
    known = frozenset(words)

    def check(word: str) -> str:
        if word not in known:
            raise PydanticKnownError("literal_error", {"expected": ""})
        return word

    return AfterValidator(check)


TierName = Annotated[Tier, _word_of(TIERS), enumerated(TIERS)]
ApiName = Annotated[Api, _word_of({api.value: api for api in Api}), enumerated(Api)]
EndpointName = Annotated[Endpoint, _word_of({at.value: at for at in Endpoint}), enumerated(Endpoint)]
ReasonName = Annotated[Reason, _word_of({each.value: each for each in Reason}), enumerated(Reason)]

Fraction = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0, le=_MOST)]


def _time_of_day(text: str) -> time:
    hour, _, minute = text.partition(":")
    return time(int(hour) % 24, int(minute))


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def _parsed(pattern: str, parse: Callable[[str], object], id_: str) -> BeforeValidator:
    """Text that stands for something; what is no text is left for the type itself to refuse."""

    def parse_text(value: object) -> object:
        if not isinstance(value, str):
            return value
        try:
            if re.fullmatch(pattern, value):
                return parse(value)
        except (ValueError, ZoneInfoNotFoundError, OSError):  # the 30th of February; Europe, a folder of zones
            pass
        raise _unlike(pattern, id_, value)

    return BeforeValidator(parse_text)


Day = Annotated[date, _parsed(_DAY, date.fromisoformat, "bad-date"), _patterned(_DAY)]
Moment = Annotated[datetime, _parsed(_MOMENT, _moment, "bad-date"), _patterned(_MOMENT)]
Clock = Annotated[time, _parsed(_CLOCK, _time_of_day, "bad-time"), _patterned(_CLOCK)]
Zone = Annotated[ZoneInfo, InstanceOf(), _parsed(_ZONE, ZoneInfo, "bad-zone"), _patterned(_ZONE)]
