"""What became of a request after it was decided: who answered, after how many attempts, and at what cost."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from sidecar.routing.policy import Model

_PER_PRICE_UNIT = 1e6


class Result(StrEnum):
    """How it ended, for the client."""

    SUCCESS = "success"
    CLIENT_ERROR = "client_error"
    """A provider's 4xx, or Envoy's own before the request was decided."""
    REJECTED = "rejected"
    """By the policy: no provider was asked."""
    CANCELLED = "cancelled"
    """The client went away."""
    FAILED = "failed"
    """No model gave a whole answer."""
    UNKNOWN = "unknown"
    """Nothing was heard of it."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one answer."""

    input_tokens: int
    """All of them, those that the provider had in its cache or put there included."""
    output_tokens: int
    """All of them, reasoning included."""
    cached_tokens: int = 0
    """Input that the provider had in its cache."""
    cache_write_tokens: int = 0
    """Input that it put there."""
    reasoning_tokens: int = 0
    is_estimated: bool = False
    """Whether they were counted by size because the provider told nothing."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request to one model."""

    model: str | None
    """Its name in the policy; None if Envoy's log tells of none."""
    started_unix_nanos: int
    seconds: float
    status: int
    """Of HTTP; 0 if there was no answer."""
    error: str | None = None
    """Envoy's word for what broke it off, `upstream_remote_reset` for one; None if nothing did."""
    usage: Usage | None = None
    """As the provider reported it, also of an answer that was thrown away."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What Envoy's log says of one request, all attempts together."""

    started_unix_nanos: int
    seconds: float
    """From its first byte to the last of the answer."""
    first_byte_seconds: float | None
    """From its first byte to the first of the answer."""
    status: int
    """Of HTTP, as the client saw it; 0 if it saw none."""
    flags: tuple[str, ...]
    """Envoy's words for what went wrong, `downstream_connection_termination` for one."""
    details: str
    """Envoy's `response_code_details`."""
    model: str | None
    """Name of the one that answered."""
    attempts: int
    """How many Envoy made."""
    request_bytes: int
    response_bytes: int
    request_id: str
    trace_id: str
    """Hexadecimal; empty if the request was not traced."""
    span_id: str
    """Of Envoy's own span of the request, likewise."""
    path: str
    usage: Usage | None = None
    """Of the answer that the client got."""


def cost_of(model: Model, usage: Usage) -> float:
    """USD for these tokens at that model's prices."""
    price = model.price
    cached = price.input if price.cached_input is None else price.cached_input
    cache_write = price.input if price.cache_write is None else price.cache_write
    other_tokens = max(0, usage.input_tokens - usage.cached_tokens - usage.cache_write_tokens)
    asked = other_tokens * price.input + usage.cached_tokens * cached + usage.cache_write_tokens * cache_write
    return (asked + usage.output_tokens * price.output) / _PER_PRICE_UNIT


def result_of(outcome: Outcome) -> Result:
    """By what the client saw. A rejection of our own is not told apart here from another 4xx."""
    if "downstream_connection_termination" in outcome.flags or "downstream_remote_reset" in outcome.flags:
        return Result.CANCELLED
    if outcome.flags and outcome.attempts:
        return Result.FAILED
    if 200 <= outcome.status < 300:
        return Result.SUCCESS
    return Result.CLIENT_ERROR if 400 <= outcome.status < 500 else Result.FAILED


def estimate_usage(outcome: Outcome, input_tokens: int | None, *, is_stream: bool) -> Usage:
    """By sizes, for an answer whose provider told nothing.

    `input_tokens`: as the router estimated them; None if it did not see the request.
    """
    asked = input_tokens if input_tokens is not None else outcome.request_bytes // _BYTES_PER_TOKEN
    size = outcome.response_bytes
    written = size // _BYTES_PER_EVENT if is_stream else max(0, size - _ENVELOPE_BYTES) // _BYTES_PER_TOKEN
    return Usage(asked, written, is_estimated=True)


# About four bytes of text make a token.
_BYTES_PER_TOKEN = 4

# What stands around the text of an answer that is one JSON object.
_ENVELOPE_BYTES = 400

# A server-sent event of either API has one token, as a rule, and this much around it.
_BYTES_PER_EVENT = 200


def total_cost(costs: Iterable[float | None]) -> float | None:
    """None if none of them is known."""
    known = [cost for cost in costs if cost is not None]
    return sum(known) if known else None
