"""`when`: the conditions of rules and requirements."""

from datetime import time
from typing import Annotated, Self
from zoneinfo import ZoneInfo

from pydantic import Field, Tag, model_validator

from sidecar.config.schema.values import (
    BY_KIND,
    FLAG,
    LIST,
    MAPPING,
    TEXT,
    Clock,
    Count,
    EndpointName,
    Fraction,
    Name,
    NonEmpty,
    OneOrMore,
    Path,
    Text,
    Written,
    Zone,
    enumerated,
    fault,
    need_any,
    one_of,
)
from sidecar.routing.conditions import DAYS
from sidecar.routing.language import LANGUAGES, SCRIPTS, UNKNOWN
from sidecar.routing.personal_data import KINDS

ANY, NONE = "any", "none"

_LANGUAGES = (*LANGUAGES, UNKNOWN)
_PERSONAL_DATA = (ANY, NONE, *KINDS)

_MIDNIGHT = time(0, 0)


class Between(Written):
    """A count, both bounds included."""

    min: Count | None = None
    """At least so many."""
    max: Count | None = None
    """At most so many."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        _check_bounds(self)
        return self


class FractionBetween(Written):
    """A number from 0 to 1, both bounds included."""

    min: Fraction | None = None
    """At least so much."""
    max: Fraction | None = None
    """At most so much."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        _check_bounds(self)
        return self


def _check_bounds(written: Between | FractionBetween) -> None:
    need_any(written)
    if written.min is not None and written.max is not None and written.min > written.max:
        raise fault("min-above-max", f"{written.min:g} is above max, which is {written.max:g}", at=("min",))


AnyOrBetween = Annotated[
    Annotated[bool, Tag(FLAG)] | Annotated[Between, Tag(MAPPING)],
    BY_KIND,
]
"""Whether there are any, or how many."""

HeaderTest = Annotated[
    Annotated[Text, Tag(TEXT)] | Annotated[NonEmpty[Text], Tag(LIST)],
    BY_KIND,
    Field(examples=["any", "none", "free", ["free", "trial"]]),
]


class TimeWindow(Written):
    """A time of the day on some days. One that ends before it starts spans midnight, and its days are those on which
    it starts."""

    days: OneOrMore[Annotated[str, one_of(DAYS), enumerated(DAYS)]] = DAYS
    """The days of the week. Default: every day."""
    from_: Annotated[Clock, Field(alias="from", examples=["18:00"])] = _MIDNIGHT
    """Included. Default: 00:00."""
    to: Annotated[Clock, Field(examples=["06:00"])] = _MIDNIGHT
    """Not included. Default: 24:00."""
    zone: Annotated[Zone, Field(examples=["Europe/Berlin"])] = ZoneInfo("UTC")
    """Whose clock. Default: UTC."""

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        need_any(self)
        return self


class When(Written):
    """Conditions, which all have to hold. A list where one value may stand means "one of these"."""

    all: NonEmpty["When"] | None = None
    """All of these hold."""
    any: NonEmpty["When"] | None = None
    """At least one of these holds."""
    not_: Annotated["When | None", Field(alias="not")] = None
    """This does not hold."""
    model: Annotated[OneOrMore[Text] | None, Field(examples=["auto"])] = None
    """What the caller asked for: a virtual model, or a model by its name."""
    endpoint: OneOrMore[EndpointName] | None = None
    """The endpoint that was called."""
    path: Annotated[OneOrMore[Path] | None, Field(examples=["/v1/chat/*"])] = None
    """The path that was called, without the query; one that ends in `*` stands for all that begin like it."""
    header: Annotated[dict[Name, HeaderTest], Field(min_length=1)] | None = None
    """For names of `signals.headers`: the value, a list of values, `any` for a header that is there, or `none`."""
    input_tokens: Between | None = None
    """An estimate of what the model has to read, tools included."""
    max_output_tokens: Between | None = None
    """The limit that the request sets itself; 0 if it sets none."""
    turns: Between | None = None
    """User turns with text in the conversation so far."""
    tools: AnyOrBetween | None = None
    """Tools that the request offers."""
    images: AnyOrBetween | None = None
    """Images in the conversation."""
    code_fences: AnyOrBetween | None = None
    """Blocks of code between ``` in the prompt."""
    json_: Annotated[bool | None, Field(alias="json")] = None
    """Whether the answer has to be JSON."""
    stream: bool | None = None
    """Whether the answer is to be streamed."""
    language: Annotated[
        OneOrMore[Annotated[str, one_of(_LANGUAGES), enumerated(_LANGUAGES)]] | None, Field(examples=["de"])
    ] = None
    """The prompt's language, as an ISO 639 code; `und` if it cannot be told."""
    script: OneOrMore[Annotated[str, one_of(SCRIPTS), enumerated(SCRIPTS)]] | None = None
    """The script that most of the prompt is written in."""
    keywords: OneOrMore[Name] | None = None
    """Lists of `signals.keywords` of which something stands where they are looked for."""
    patterns: OneOrMore[Name] | None = None
    """Patterns of `signals.patterns` that match something there."""
    personal_data: OneOrMore[Annotated[str, one_of(_PERSONAL_DATA), enumerated(_PERSONAL_DATA)]] | None = None
    """`any` or `none` at all, or the kinds of which some stands anywhere in the request. A request too large to be
    searched counts as one that has some of every kind."""
    time: TimeWindow | None = None
    """When the request came."""
    intent: OneOrMore[Name] | None = None
    """What the prompt is about. Needs the classifier."""
    difficulty: FractionBetween | None = None
    """How strong a model the prompt needs: 0 if any will do, 1 if only the strongest. Needs the classifier."""
    confidence: FractionBetween | None = None
    """How sure the classifier is of the intent. Needs the classifier."""

    @model_validator(mode="after")
    def _sound(self) -> Self:
        need_any(self)
        for word in (ANY, NONE):
            if word in (self.personal_data or ()) and len(self.personal_data or ()) > 1:
                raise fault("keys-exclude-each-other", f"{word!r} stands alone", at=("personal_data",))
        return self
