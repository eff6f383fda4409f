"""One provider's API: from a request that arrived to the answer or error that this provider would give."""

import asyncio
from collections.abc import Callable, Mapping
from itertools import count
from typing import Any

import msgspec
from aiohttp import web

from sidecar.demo.providers import anthropic_messages, listings, openai_chat, openai_other, openai_responses
from sidecar.demo.providers.answers import Answer
from sidecar.demo.providers.calls import Call
from sidecar.demo.providers.catalog import ANTHROPIC, Endpoint, Provider
from sidecar.demo.providers.delivery import Delivery, Pace, reset
from sidecar.demo.providers.errors import ApiError, unknown_model, wrong_key
from sidecar.demo.providers.faults import Fault, FaultTable
from sidecar.demo.providers.prompt_cache import PromptCache, every_prefix, marked_prefixes
from sidecar.demo.providers.received import ReceivedRequests

_ANSWERS: Mapping[Endpoint, Callable[[Call], Answer]] = {
    Endpoint.CHAT_COMPLETIONS: openai_chat.chat_completion,
    Endpoint.COMPLETIONS: openai_other.completion,
    Endpoint.RESPONSES: openai_responses.response,
    Endpoint.EMBEDDINGS: openai_other.embeddings,
    Endpoint.MESSAGES: anthropic_messages.message,
    Endpoint.COUNT_TOKENS: anthropic_messages.count_tokens,
}

_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


class ProviderApi:
    """Answers the requests of one provider.

    `latencies_ms` (by model) and `faults` are shared and may change while requests come in.
    """

    def __init__(
        self,
        provider: Provider,
        key: str,
        faults: FaultTable,
        received: ReceivedRequests,
        latencies_ms: Mapping[str, float],
        event_seconds: float,
    ) -> None:
        self._provider = provider
        self._credentials = [(header, prefix + key) for header, prefix in provider.key_headers]
        self._faults = faults
        self._received = received
        self._latencies_ms = latencies_ms
        self._event_seconds = event_seconds
        self._answers = {
            provider.path_prefix + endpoint: _ANSWERS[endpoint]
            for endpoint in provider.endpoints
            if endpoint in _ANSWERS
        }
        self._hosts = frozenset((provider.host, *_LOOPBACK))
        self._models = frozenset(provider.models)
        self._delivery = Delivery(provider)
        self._numbers = count(1)
        self._cache = PromptCache(marked_prefixes if provider.name == ANTHROPIC.name else every_prefix)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request; the entry point of the server."""
        body = await request.content.read()
        parsed = _parse(body)
        model = _model_of(parsed)
        fault = self._faults.meet(self._provider.name, model)
        line = (request.method, request.path_qs)
        kind = None if fault is None else fault.kind
        self._received.add(self._provider.name, model, line, request.headers, body, kind)
        if fault is not None and (failed := await self._fail(request, fault)) is not None:
            return failed
        try:
            answer = self._answer_to(request, parsed)
        except ApiError as error:
            return self._delivery.refuse(error)
        is_truncated = fault is not None and fault.kind == "truncate"
        return await self._delivery.send(request, answer, self._pace(model, fault), is_truncated)

    async def _fail(self, request: web.BaseRequest, fault: Fault) -> web.StreamResponse | None:
        """What a fault gives in place of an answer; None for the faults that only spoil one."""
        if fault.kind == "reset":
            return reset(request)
        if fault.kind == "hang":
            # Ends when the caller leaves or the provider stops: the server cancels the request then.
            await asyncio.Event().wait()
        return None if fault.status is None else self._delivery.fail(fault)

    def _answer_to(self, request: web.BaseRequest, body: Mapping[str, Any] | None) -> Answer:
        self._admit(request)
        if request.method == "GET":
            return self._listing(request.path)
        answer = self._answers.get(request.path)
        if answer is None or request.method != "POST":
            raise ApiError(404, f"Invalid URL ({request.method} {request.path})")
        if self._provider.name == ANTHROPIC.name and "anthropic-version" not in request.headers:
            raise ApiError(400, "anthropic-version: header is required")
        if body is None:
            raise ApiError(400, "We could not parse the JSON body of your request: expected an object.")
        try:
            return answer(self._call(body))
        except (AttributeError, KeyError, TypeError) as exc:
            # The endpoints read optional parts of the body without checking each: here is where it shows.
            raise ApiError(400, "A value in the body has the wrong type.", "invalid_type") from exc

    def _admit(self, request: web.BaseRequest) -> None:
        """Raises ApiError 421 for a request that was meant for another host, 401 for a wrong key."""
        name, _, port = request.host.rpartition(":")
        if (name if name and port.isdigit() else request.host) not in self._hosts:
            raise ApiError(421, f"{self._provider.host} does not serve the host this request names.")
        for header, credential in self._credentials:
            given = request.headers.get(header)
            if given == credential:
                return
            if given is not None:
                break
        raise wrong_key(self._provider)

    def _listing(self, path: str) -> Answer:
        models_path = self._provider.path_prefix + Endpoint.MODELS
        if path == models_path:
            return listings.list_models(self._provider)
        if path.startswith(f"{models_path}/"):
            return listings.show_model(self._provider, path.removeprefix(f"{models_path}/"))
        raise ApiError(404, f"Invalid URL (GET {path})")

    def _call(self, body: Mapping[str, Any]) -> Call:
        model = _model_of(body)
        if model is None:
            raise ApiError(400, "you must provide a model parameter")
        if model not in self._models:
            raise unknown_model(self._provider, model)
        return Call(self._provider, model, body, next(self._numbers), self._cache)

    def _pace(self, model: str | None, fault: Fault | None) -> Pace:
        latency = self._latencies_ms.get(model, 0) / 1000 if self._latencies_ms and model else 0.0
        if fault is not None and fault.kind == "slow":
            return Pace(latency + fault.delay_ms / 1000, self._event_seconds)
        if fault is not None and fault.kind == "slow_sse":
            return Pace(latency, fault.delay_ms / 1000)
        return Pace(latency, self._event_seconds)


def _parse(body: bytes) -> dict[str, Any] | None:
    """The body as a JSON object, or None if it is not one."""
    try:
        parsed = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return parsed if isinstance(parsed, dict) else None


def _model_of(body: Mapping[str, Any] | None) -> str | None:
    model = None if body is None else body.get("model")
    # Google's own name for a model is "models/<id>"; its API takes both.
    return model.removeprefix("models/") if isinstance(model, str) else None
