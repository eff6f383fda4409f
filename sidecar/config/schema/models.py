"""`providers` and `models`: what there is, and what it costs."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from sidecar.config.schema.values import (
    AnyNumber,
    ApiName,
    BaseUrl,
    Day,
    EndpointName,
    Fraction,
    Name,
    OneOrMore,
    Text,
    TierName,
    Written,
    fault,
)
from sidecar.routing.api import Api, Endpoint

Usd = Annotated[float, Field(ge=0, le=1e6)]


class WrittenProvider(Written):
    """Who runs models, and where. Only Envoy talks to it; the sidecar never opens its key."""

    url: Annotated[BaseUrl, Field(examples=["https://api.openai.com/v1"])]
    """Base URL of its API, version included."""
    api: ApiName = Api.OPENAI
    """The shape of request that it takes."""
    endpoints: OneOrMore[EndpointName] | None = None
    """The endpoints that it has: `chat/completions`, `completions`, `responses` of OpenAI's API, `messages` of
    Anthropic's. Default: all of its API."""
    api_key_file: Annotated[Text | None, Field(examples=["/etc/llm-keys/openai"])] = None
    """Where Envoy reads its key."""
    region: Annotated[Name | None, Field(examples=["eu", "us-east-1"])] = None
    """Where its models run: a word of your own, to be named by `require: {regions: …}`."""

    @property
    def its_endpoints(self) -> tuple[Endpoint, ...]:
        """With the default filled in."""
        return self.endpoints or tuple(endpoint for endpoint in Endpoint if endpoint.api is self.api)

    @model_validator(mode="after")
    def _endpoints_of_its_api(self) -> Self:
        for index, endpoint in enumerate(self.its_endpoints):
            if endpoint.api is not self.api:
                known = ", ".join(each for each in Endpoint if each.api is self.api)
                message = f"unknown {endpoint.value!r}; expected one of {known}"
                raise fault("endpoint-of-another-api", message, at=("endpoints", index))
        return self


class WrittenPrice(Written):
    """USD per million tokens."""

    input: Usd
    """Of what it reads."""
    output: Usd
    """Of what it writes, its reasoning included."""
    cached_input: Usd | None = None
    """Of what it reads and its provider still has in its prompt cache. Default: as other input."""
    cache_write: Usd | None = None
    """Of what it reads and its provider puts into its prompt cache, which Anthropic bills for. Default: as other
    input."""


class WrittenModel(Written):
    """A model that may answer requests. Its name is what callers and this file call it."""

    provider: Name
    """One of `providers`."""
    tier: TierName
    """The requests that it is good enough for."""
    price: WrittenPrice
    """In USD per million tokens."""
    context: Annotated[int, Field(ge=1, le=100_000_000, examples=[128000])]
    """Context window in tokens, input and output together."""
    id: Annotated[Text | None, Field(examples=["claude-sonnet-4-0"])] = None
    """What its provider calls it. Default: its name."""
    cluster: Name | None = None
    """The Envoy cluster that leads to it. Default: its name."""
    region: Name | None = None
    """Where it runs. Default: its provider's region."""
    capabilities: AnyNumber[Name] = ("vision", "tools", "json", "streaming")
    """What it can do. Requests with images need `vision`, those that offer tools `tools`, those that want JSON
    `json`, those that stream `streaming`; words of your own are for `require: {capabilities: …}`."""
    unsupported: AnyNumber[Text] = ()
    """Parameters that its provider refuses for it; a request that sets one goes to other models."""
    tenants: OneOrMore[Text] | None = None
    """The only tenants that may get it, as `signals.headers.tenant` tells them. Default: all."""
    deprecated: Annotated[Day | None, Field(examples=["2027-01-31"])] = None
    """From this day on, in UTC, it gets no requests, but those that ask for it by its name."""
    quality: Annotated[dict[Name, Fraction] | None, Field(examples=[{"default": 0.8, "math": 0.9}])] = None
    """How good it is, from 0 to 1, for each intent that you know it for, else `default`: for `rank`."""
    latency_ms: Annotated[int | None, Field(ge=1, le=3_600_000, examples=[900])] = None
    """What it usually takes to answer: for `rank`."""
