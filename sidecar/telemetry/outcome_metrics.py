"""Metrics of outcomes, from request records; named as OpenTelemetry's GenAI conventions do, where they do."""

from opentelemetry.metrics import Meter

from sidecar.routing.api import Endpoint
from sidecar.routing.outcome import Result
from sidecar.routing.request_record import AttemptRecord, RequestRecord
from sidecar.telemetry import attributes
from sidecar.telemetry.counter import Counter
from sidecar.telemetry.labels import OTHER, Names, Words

# The boundaries that the conventions advise.
_TOKENS = [4**power for power in range(14)]
_SECONDS = [0.01 * 2**power for power in range(14)]

# Of policies; names of those that were replaced stay until the next start.
_MOST_MODELS = 500

# Envoy has some forty words for what may break off an attempt, and providers use a dozen statuses.
_MOST_ERRORS = 64

_TOKEN_TYPE = "gen_ai.token.type"  # noqa: S105  # of a label, which is no secret

# No unit of UCUM's is a currency; in braces it is none, and stands in the name.
_USD = "{USD}"

_Labels = dict[str, str]


class OutcomeMetrics:
    """Who answered, after how many attempts, how long it took and what it cost."""

    def __init__(self, meter: Meter, most_tenants: int) -> None:
        """`most_tenants`: how many get a label of their own; with 0 there is no such label."""
        self._models = Names(_MOST_MODELS)
        self._virtual_models = Names(_MOST_MODELS)
        self._providers = Names(_MOST_MODELS)
        self._errors = Words(_MOST_ERRORS)
        self._tenants = Names(most_tenants) if most_tenants else None
        self._requests = Counter(
            meter, "llm.router.requests", description="Requests that are over, by how they ended and who answered."
        )
        self._bypasses = Counter(
            meter,
            "llm.router.bypasses",
            description="Requests that Envoy sent on by its default plan, without the router.",
        )
        self._failovers = Counter(
            meter,
            "llm.router.failovers",
            description="Requests for which another model was asked than the first of the plan; `model` answered.",
        )
        self._attempts = Counter(
            meter,
            "llm.router.attempts",
            description="Requests to models, by class of status (`none`: no answer) and by what broke them off.",
        )
        self._estimates = Counter(
            meter,
            "llm.router.token.estimates",
            description="Answers whose provider told no tokens, so that they were counted by size.",
        )
        self._cost = Counter(
            meter, attributes.COST, unit=_USD, description="Cost of requests, answers that were thrown away included."
        )
        self._baseline = Counter(
            meter,
            attributes.BASELINE_COST,
            unit=_USD,
            description="What the policy's fallback would have cost, of requests for which both costs are known.",
        )
        self._saving = Counter(
            meter,
            attributes.SAVING,
            unit=_USD,
            description="Difference of the two, by its sign: `positive` less `negative` is what routing saved.",
        )
        self._create_conventional(meter)
        self._bypasses.add(0)  # else the first one would be no increase

    def observe(self, record: RequestRecord) -> None:
        """One more."""
        model = self._model_label(record.model, record.provider)
        whose = {} if self._tenants is None else {"tenant": self._tenants.bounded(record.tenant)}
        self._requests.add(1, {"result": record.result.value, "model": model, "tier": record.tier or "", **whose})
        if record.bypassed:
            self._bypasses.add(1)
        if record.failed_over and record.plan:
            self._failovers.add(1, {"planned": self._models.bounded(record.plan[0]), "model": model})
        for attempt in record.attempts:
            self._attempts.add(1, self._attempt_labels(attempt))
        self._observe_money(record, {"model": model, **whose})
        if record.model is not None:
            self._observe_answer(record, self._conventional_labels(record, model))

    def _create_conventional(self, meter: Meter) -> None:
        self._tokens = meter.create_histogram(
            "gen_ai.client.token.usage",
            unit="{token}",
            description="Tokens of one answer, as its provider told them.",
            explicit_bucket_boundaries_advisory=_TOKENS,
        )
        self._duration = meter.create_histogram(
            "gen_ai.client.operation.duration",
            unit="s",
            description="From the first byte of a request to the last of its answer, all attempts together.",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )
        self._first_chunk = meter.create_histogram(
            "gen_ai.client.operation.time_to_first_chunk",
            unit="s",
            description="From the first byte of a request to the first of its answer, of streams.",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )

    def _observe_money(self, record: RequestRecord, labels: _Labels) -> None:
        if record.cost is not None:
            self._cost.add(record.cost, labels)
        if record.saving is not None and record.baseline_cost is not None:
            self._baseline.add(record.baseline_cost, labels)
            sign = "negative" if record.saving < 0 else "positive"
            self._saving.add(abs(record.saving), {**labels, "sign": sign})

    def _observe_answer(self, record: RequestRecord, labels: _Labels) -> None:
        is_whole = record.result is Result.SUCCESS
        if record.seconds is not None:
            error = {} if is_whole else {attributes.ERROR_TYPE: self._error_of(record)}
            self._duration.record(record.seconds, {**labels, **error})
        if is_whole and record.stream and record.first_byte_seconds is not None:
            self._first_chunk.record(record.first_byte_seconds, labels)
        if record.input_tokens is None or record.output_tokens is None:
            return
        if record.estimated:  # the conventions want none of these
            self._estimates.add(1, {"model": labels[attributes.RESPONSE_MODEL]})
            return
        self._tokens.record(record.input_tokens, {**labels, _TOKEN_TYPE: "input"})
        self._tokens.record(record.output_tokens, {**labels, _TOKEN_TYPE: "output"})

    def _conventional_labels(self, record: RequestRecord, model: str) -> _Labels:
        """What a client asked for may be anything: it is a virtual model of the policy, or the one that answered."""
        virtual = record.virtual_model
        return {
            attributes.OPERATION: "text_completion" if record.endpoint is Endpoint.COMPLETIONS else "chat",
            attributes.PROVIDER: OTHER if record.provider is None else self._providers.bounded(record.provider),
            attributes.REQUEST_MODEL: model if virtual is None else self._virtual_models.bounded(virtual),
            attributes.RESPONSE_MODEL: model,
        }

    def _attempt_labels(self, attempt: AttemptRecord) -> _Labels:
        return {
            "model": self._model_label(attempt.model, attempt.provider),
            "status": f"{attempt.status // 100}xx" if attempt.status else "none",
            "error": self._errors.bounded(attempt.error),
        }

    def _model_label(self, name: str | None, provider: str | None) -> str:
        """Empty if nobody told of one. All models of the policy have a provider, and only they."""
        return OTHER if name is not None and provider is None else self._models.bounded(name)

    def _error_of(self, record: RequestRecord) -> str:
        """The status, as the conventions want it; of an answer that broke off later, what it came to."""
        is_error = record.status >= 400
        return self._errors.bounded(str(record.status)) if is_error else record.result.value
