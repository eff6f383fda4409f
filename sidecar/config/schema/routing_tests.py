"""`tests`: requests, and what has to become of them."""

from typing import Annotated, Self

from pydantic import Field, JsonValue, model_validator

from sidecar.config.schema.values import (
    HeaderName,
    Moment,
    Name,
    OneOrMore,
    Path,
    Prose,
    ReasonName,
    Text,
    TierName,
    Written,
    fault,
    need_any,
)

Status = Annotated[int, Field(ge=200, le=499)]


class WrittenExpectation(Written):
    """What has to become of a request: all that is said here. A list means "one of these", of `not_model` "none"."""

    tier: OneOrMore[TierName] | None = None
    """What the prompt needs."""
    model: OneOrMore[Name] | None = None
    """The model that comes first."""
    not_model: OneOrMore[Name] | None = None
    """Models that are nowhere in the plan."""
    reason: OneOrMore[ReasonName] | None = None
    """The word that says what settled it."""
    rule: OneOrMore[Name] | None = None
    """The rule that matched."""
    intent: OneOrMore[Name] | None = None
    """What the prompt is about."""
    arm: OneOrMore[Name] | None = None
    """The arm of the split."""
    status: OneOrMore[Status] | None = None
    """200 for a request that is routed, else that of the answer."""

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        need_any(self)
        return self


class WrittenTest(Written):
    """A request and what has to become of it; `sidecar test` runs it."""

    name: Text | None = None
    """What the report calls it. Default: the beginning of its prompt."""
    prompt: Annotated[Prose | None, Field(examples=["What is the capital of France?"])] = None
    """What the user says, to the first of `virtual_models`."""
    request: Annotated[
        dict[str, JsonValue] | None,
        Field(examples=[{"model": "auto", "messages": [{"role": "user", "content": "Hello"}]}]),
    ] = None
    """The whole body of a request, instead of a prompt."""
    headers: dict[HeaderName, Text] = Field(default_factory=dict)
    """Request headers."""
    path: Annotated[Path | None, Field(examples=["/v1/messages"])] = None
    """Where it is sent. Default: `/v1/chat/completions`, or the first endpoint that is spoken."""
    at: Annotated[Moment | None, Field(examples=["2026-03-01T10:00Z"])] = None
    """When it comes. Default: now."""
    expect: WrittenExpectation
    """What has to become of it."""

    @model_validator(mode="after")
    def _one_request(self) -> Self:
        if (self.prompt is None) == (self.request is None):
            raise fault("test-without-request", "expected either a prompt or a request")
        return self
