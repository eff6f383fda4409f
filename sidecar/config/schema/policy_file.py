"""The policy file as a whole."""

from typing import Annotated, Self

from pydantic import Field, Tag, model_validator

from sidecar.config.schema.models import WrittenModel, WrittenProvider
from sidecar.config.schema.routing_tests import WrittenTest
from sidecar.config.schema.rules import WrittenRule, WrittenStandingRequirement, WrittenVirtualModel
from sidecar.config.schema.signals import WrittenSignals
from sidecar.config.schema.values import (
    BY_KIND,
    MAPPING,
    TEXT,
    AnyNumber,
    Fraction,
    Listed,
    Name,
    NonEmpty,
    Prose,
    Text,
    TierName,
    Written,
    at_most_one,
    enumerated,
    fault,
    one_of,
)

_LISTED = "listed"

# One example matches little but itself.
_FEWEST_EXAMPLES = 2

_DESTINATIONS = ("stdout", "otlp", "none")

_FREEDOMS = ("name_models", "set_tier", "set_max_cost")

Weight = Annotated[float, Field(ge=0, le=1000)]


class WrittenIntent(Written):
    """An intent of your own, told by examples; or more than a least tier for one of the classifier's."""

    examples: NonEmpty[Prose] | None = None
    """Prompts of that intent. A prompt that is close enough to one of them has it; nothing is trained."""
    threshold: Fraction = 0.5
    """How close: cosine of the two prompts' embeddings, 1 for the same."""
    tier: TierName | None = None
    """The tier of its requests, whatever their difficulty."""
    min_tier: TierName | None = None
    """The least that it gets."""
    max_tier: TierName | None = None
    """The most that it gets."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        least, most = self.min_tier, self.max_tier
        for key in ("min_tier", "max_tier"):
            at_most_one(self, ("tier", key))
        if least is not None and most is not None and least > most:
            raise fault("min-above-max", f"{least.label} is above max_tier, which is {most.label}", at=("min_tier",))
        if self.examples is not None and len(self.examples) < _FEWEST_EXAMPLES:
            raise fault("too-few", f"at least {_FEWEST_EXAMPLES} are needed", at=("examples",))
        if self.examples is None and "threshold" in self.model_fields_set:
            raise fault("key-without-effect", "has no effect without examples", at=("threshold",))
        if not self.model_fields_set:
            raise fault("mapping-empty", "at least one is needed, of examples, tier, min_tier, max_tier")
        return self


IntentSetting = Annotated[
    Annotated[TierName, Tag(TEXT)] | Annotated[WrittenIntent, Tag(MAPPING)],
    BY_KIND,
]


class WrittenDifficulty(Written):
    """From which difficulty on a request needs which tier; what is below the first is simple."""

    moderate: Fraction = 0.125
    """From here on at least moderate."""
    complex: Fraction = 0.5
    """From here on at least complex."""
    reasoning: Fraction = 0.8
    """From here on reasoning."""

    @model_validator(mode="after")
    def _rising(self) -> Self:
        if not self.moderate <= self.complex <= self.reasoning:
            raise fault(
                "thresholds-not-rising",
                "thresholds must rise with the tier; with defaults filled in they are "
                f"moderate {self.moderate:g}, complex {self.complex:g}, reasoning {self.reasoning:g}",
            )
        return self


class WrittenRank(Written):
    """How much each counts when the models of a tier are put in order, relative to the others."""

    cost: Weight = 0
    """The price, against the dearest of the tier."""
    quality: Weight = 0
    """The model's quality for the prompt's intent."""
    latency: Weight = 0
    """The usual time to answer, against the slowest of the tier."""

    @model_validator(mode="after")
    def _something_counts(self) -> Self:
        if not self.cost + self.quality + self.latency:
            raise fault("mapping-empty", "at least one weight must be above 0, of cost, quality, latency")
        return self


RankSetting = Annotated[
    Annotated[str, one_of((_LISTED,)), enumerated((_LISTED,)), Tag(TEXT)] | Annotated[WrittenRank, Tag(MAPPING)],
    BY_KIND,
]


class WrittenConversation(Written):
    """How conversations are read. Within one, the tier never goes down."""

    turns: Annotated[int, Field(ge=1, le=50)] = 5
    """How many user turns are classified, at the most; 1 for the last only."""


class WrittenClassifier(Written):
    """How the classifier runs."""

    model: Annotated[Text | None, Field(examples=["./support-intents"])] = None
    """Folder of a model of your own, relative to this file. Default: the shipped one."""
    deadline_ms: Annotated[int, Field(ge=1, le=10_000)] = 40
    """How long a decision waits for it; keep it below Envoy's `message_timeout`."""
    threads: Annotated[int | None, Field(ge=1, le=256)] = None
    """Prompts classified at once, per worker. Default: the processors available (affinity and cgroup
    quota), divided by the workers."""
    queue: Annotated[int, Field(ge=1, le=10_000)] = 64
    """Prompts that may wait beyond that, at the most; sooner if they would miss the deadline."""


class WrittenCache(Written):
    """What is remembered of earlier classifications, by a hash of the prompt."""

    entries: Annotated[int, Field(ge=0, le=1_000_000)] = 4096
    """How many; 0 turns it off."""
    across_tenants: bool = False
    """Whether what was remembered for one tenant serves another."""
    near_duplicates: bool = False
    """Whether prompts that differ in case, spacing and punctuation alone count as one."""


class WrittenRecordFile(Written):
    """A file for records, and how much of them is kept."""

    file: Annotated[Text, Field(examples=["/var/log/llm/requests.jsonl"])]
    """Its path, relative to this file; the folder has to be there."""
    max_mb: Annotated[int, Field(ge=1, le=100_000)] = 100
    """Megabytes after which it gets `.1` to its name, the one before it `.2`, and so on."""
    keep: Annotated[int, Field(ge=0, le=1_000)] = 5
    """How many of those are kept beside it."""


RecordDestination = Annotated[
    Annotated[str, one_of(_DESTINATIONS), enumerated(_DESTINATIONS), Tag(TEXT)]
    | Annotated[WrittenRecordFile, Tag(MAPPING)],
    BY_KIND,
]


class WrittenRecords(Written):
    """What is written of each request and its outcome: docs/records.md."""

    to: RecordDestination = "stdout"
    """Where: `stdout`; `otlp`, as logs, with OpenTelemetry's standard variables; `none`; or a file."""
    prompts: Fraction = 0
    """Share of requests whose last user turn is written down, personal data blotted out as far as it is found."""


class WrittenPolicy(Written):
    """Which models there are, and which may answer what."""

    providers: dict[Name, WrittenProvider]
    """Who runs models, and where."""
    models: Annotated[dict[Name, WrittenModel], Field(min_length=1)]
    """The models, by the names that callers and this file call them; within a tier the first is asked first."""
    virtual_models: dict[Name, WrittenVirtualModel]
    """Names that are routed; `{auto: {}}` for one that everything below is for."""
    fallback: Annotated[AnyNumber[Name], Field(examples=["gpt-4o", ["gpt-4o", "claude-sonnet"]])]
    """The model, or a list with one for each API that is spoken, that answers when nothing is known of a prompt. It
    is in every plan that it satisfies the requirements of."""
    signals: WrittenSignals = WrittenSignals()
    """What rules can look at, beyond what every request has."""
    requirements: Listed[WrittenStandingRequirement] = ()
    """What models have to satisfy; all that match hold."""
    rules: Listed[WrittenRule] = ()
    """What happens to which requests; the first that matches wins."""
    intents: dict[Name, IntentSetting] = Field(default_factory=dict)
    """By intent: the least tier, or more. Default: none, but for a classifier that tells no difficulty the usual
    tiers."""
    difficulty: WrittenDifficulty = WrittenDifficulty()
    """From which difficulty on a request needs which tier."""
    min_confidence: Fraction = 0.4
    """Below it a request goes one tier up."""
    rank: RankSetting = _LISTED
    """The order of models within a tier: as they are listed, or by weights."""
    conversation: WrittenConversation = WrittenConversation()
    """How conversations are read."""
    callers_may: AnyNumber[Annotated[str, one_of(_FREEDOMS), enumerated(_FREEDOMS)]] = ("name_models",)
    """What requests may ask for themselves: `name_models` a model by its name, `set_tier` a tier by the header
    `x-llm-tier`, `set_max_cost` a limit in USD by the header `x-llm-max-cost`."""
    classifier: WrittenClassifier = WrittenClassifier()
    """How the classifier runs."""
    cache: WrittenCache = WrittenCache()
    """What is remembered of earlier classifications."""
    records: WrittenRecords = WrittenRecords()
    """What is written of each request and its outcome."""
    stream_usage: bool = False
    """Whether OpenAI streams that do not ask for it are made to tell their tokens, by `stream_options`; clients then
    get one more chunk, with empty `choices`. Otherwise such tokens are estimated."""
    shadow: AnyNumber[Text] = ()
    """Policy files, relative to this one, that are evaluated and recorded with every request, and never applied."""
    tests: Listed[WrittenTest] = ()
    """Requests, and what has to become of them; `sidecar test` runs them."""
