"""One stream, over a real connection: what Envoy sends, what we answer, and that we end it."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
import pytest_asyncio

from sidecar.extproc import replies
from sidecar.extproc.ext_proc_pb2 import (
    HttpBody,
    HttpHeaders,
    HttpTrailers,
    ProcessingMode,
    ProcessingRequest,
    ProcessingResponse,
)
from sidecar.extproc.processor import Processor
from sidecar.routing.api import Endpoint
from sidecar.routing.conditions import HeaderIs
from sidecar.routing.decision import Decision
from sidecar.routing.reason import Reason
from sidecar.routing.rejection import RejectedError
from sidecar.routing.router import Routers
from sidecar.routing.rules import Action, Arm, Refusal, Rule, Split
from sidecar.routing.signals import SignalReader
from sidecar.routing.tier import Tier
from tests.fakes.classifiers import AnsweringClassifier, HangingClassifier, classification
from tests.fakes.envoy import (
    PATIENCE_SECONDS,
    FakeEnvoy,
    request_body,
    request_headers,
    router_metadata,
    set_headers,
)
from tests.fakes.observers import RecordingObserver
from tests.fakes.policies import ladder
from tests.fakes.processors import envoy_of
from tests.fakes.requests import body
from tests.fakes.routers import always, make_router

IGNORED = ProcessingResponse.FromString(replies.IGNORE_REQUEST)
GO_ON = ProcessingResponse.FromString(replies.AWAIT_BODY)


@pytest.fixture
def observer() -> RecordingObserver:
    """Told of every exchange."""
    return RecordingObserver()


@pytest_asyncio.fixture
async def envoy(socket: Path, observer: RecordingObserver) -> AsyncIterator[FakeEnvoy]:
    """Connected to a server that decides by the ladder and takes every prompt for easy chat."""
    async with envoy_of(socket, always(make_router()), observer) as envoy:
        yield envoy


@pytest.mark.asyncio
async def test_a_request_is_routed_and_the_stream_ends_with_the_body_reply(
    envoy: FakeEnvoy, observer: RecordingObserver
) -> None:
    sent = body("hi there")

    answers = await envoy.ask(request_headers(), request_body(sent))

    assert answers.code is grpc.StatusCode.OK
    assert answers.replies[0] == GO_ON
    common = answers.last.request_body.response
    changed = common.body_mutation.body
    assert common.status == common.CONTINUE
    assert common.clear_route_cache
    assert changed == sent.replace(b'"auto"', b'"simple-id"')
    assert set_headers(common.header_mutation) == {
        "x-llm-cluster": "simple-cluster",
        "x-llm-decision-id": observer.last.decision_id,
        "content-length": str(len(changed)),
    }
    assert not answers.last.HasField("mode_override")


@pytest.mark.asyncio
async def test_the_metadata_has_the_plan_and_why(envoy: FakeEnvoy, observer: RecordingObserver) -> None:
    answers = await envoy.ask(request_headers(), request_body(body()))

    assert router_metadata(answers.last) == {
        "priority_groups": [
            {"name": "simple-cluster"},
            {"name": "moderate-cluster"},
            {"name": "complex-cluster"},
            {"name": "reasoning-cluster"},
        ],
        "decision_id": observer.last.decision_id,
        "model": "simple",
        "tier": "simple",
        "reason": "difficulty",
        "policy": ladder().hash,
        "intent": "chat",
        "confidence": 0.9,
        "difficulty": 0.1,
        "record": observer.last.record.decode(),
    }
    assert json.loads(observer.last.record)["model"] == "simple"


@pytest.mark.asyncio
async def test_a_policy_may_have_streams_tell_their_tokens(socket: Path, observer: RecordingObserver) -> None:
    router = make_router(replace(ladder(), stream_usage=True))
    async with envoy_of(socket, always(router), observer) as envoy:
        answers = await envoy.ask(request_headers(), request_body(body(stream=True)))

    sent = json.loads(answers.last.request_body.response.body_mutation.body)
    assert sent["stream_options"] == {"include_usage": True}


@pytest.mark.asyncio
async def test_more_structure_than_is_read_is_routed_to_the_fallback(envoy: FakeEnvoy) -> None:
    sent = body('{"a":1}' * 200_001)

    answers = await envoy.ask(request_headers(), request_body(sent))

    described = router_metadata(answers.last)
    assert (described["reason"], described["model"]) == ("no_prompt", "complex")
    assert answers.last.request_body.response.body_mutation.body == sent.replace(b'"auto"', b'"complex-id"')


@pytest.mark.asyncio
async def test_a_pinned_request_says_no_intent(envoy: FakeEnvoy) -> None:
    answers = await envoy.ask(request_headers("/v1/messages"), request_body(body(model="haiku", max_tokens=5)))

    described = router_metadata(answers.last)
    assert described["priority_groups"] == [{"name": "haiku-cluster"}, {"name": "sonnet-cluster"}]
    assert (described["reason"], described["model"]) == ("pinned", "haiku")
    assert not described.keys() & {"intent", "confidence", "difficulty"}


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("path", "method"),
    [
        ("/v1/chat/completions", "GET"),
        ("/v1/responses", "DELETE"),
        ("/v1/models", "POST"),
        ("/v1/models", "DELETE"),
        ("/v1/modelsx", "GET"),
        ("/v1/files", "POST"),
        ("/v1/messages/count_tokens", "POST"),
        ("/\xe9?\xff", "POST"),
        ("", ""),
    ],
)
@pytest.mark.parametrize("end_of_stream", [True, False])
async def test_what_is_not_ours_goes_on_without_its_body(
    envoy: FakeEnvoy, observer: RecordingObserver, path: str, method: str, end_of_stream: bool
) -> None:
    answers = await envoy.ask(request_headers(path, method, end_of_stream=end_of_stream))

    assert (answers.replies, answers.code) == ([IGNORED], grpc.StatusCode.OK)
    assert IGNORED.mode_override.request_body_mode == ProcessingMode.NONE
    assert IGNORED.request_headers.response.status == IGNORED.request_headers.response.CONTINUE
    assert observer.exchanges == []


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("first", "phase"),
    [
        (ProcessingRequest(request_body=HttpBody(body=body(), end_of_stream=True)), "request_body"),
        (ProcessingRequest(request_trailers=HttpTrailers()), "request_trailers"),
        (ProcessingRequest(response_headers=HttpHeaders()), "response_headers"),
        (ProcessingRequest(response_body=HttpBody(body=b"x")), "response_body"),
        (ProcessingRequest(response_trailers=HttpTrailers()), "response_trailers"),
        (ProcessingRequest(), "request_headers"),
        (ProcessingRequest(request_headers=HttpHeaders()), "request_headers"),
    ],
)
async def test_any_first_message_is_answered_in_its_own_phase(
    envoy: FakeEnvoy, observer: RecordingObserver, first: ProcessingRequest, phase: str
) -> None:
    answers = await envoy.ask(first)

    assert answers.code is grpc.StatusCode.OK
    assert [reply.WhichOneof("response") for reply in answers.replies] == [phase]
    assert observer.exchanges == []


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("second", "phase"),
    [
        (ProcessingRequest(request_trailers=HttpTrailers()), "request_trailers"),
        (ProcessingRequest(response_headers=HttpHeaders()), "response_headers"),
        (ProcessingRequest(response_trailers=HttpTrailers()), "response_trailers"),
        (request_headers(), "request_headers"),
    ],
)
async def test_anything_but_a_body_after_the_headers_goes_on_unchanged(
    envoy: FakeEnvoy, observer: RecordingObserver, second: ProcessingRequest, phase: str
) -> None:
    answers = await envoy.ask(request_headers(), second)

    assert answers.code is grpc.StatusCode.OK
    assert [reply.WhichOneof("response") for reply in answers.replies] == ["request_headers", phase]
    assert not answers.last.HasField("dynamic_metadata")
    assert observer.exchanges == []


@pytest.mark.asyncio
@pytest.mark.parametrize("mode", [ProcessingMode.NONE, ProcessingMode.STREAMED, ProcessingMode.BUFFERED_PARTIAL])
async def test_a_part_of_a_body_goes_on_undecided(
    envoy: FakeEnvoy, observer: RecordingObserver, caplog: pytest.LogCaptureFixture, mode: ProcessingMode.BodySendMode
) -> None:
    part = request_body(body()[:20], end_of_stream=False)

    answers = await envoy.ask(request_headers(body_mode=mode), part)

    assert answers.last == ProcessingResponse.FromString(replies.continue_unchanged("request_body"))
    assert answers.code is grpc.StatusCode.OK
    assert observer.exchanges == []
    assert "request_body_mode to BUFFERED" in caplog.text


@pytest.mark.asyncio
async def test_a_buffered_body_is_whole_even_with_trailers_to_come(envoy: FakeEnvoy) -> None:
    headers = request_headers(body_mode=ProcessingMode.BUFFERED)

    answers = await envoy.ask(headers, request_body(body(), end_of_stream=False))

    assert router_metadata(answers.last)["reason"] == "difficulty"


@pytest.mark.asyncio
async def test_observers_learn_everything_but_after_envoy(envoy: FakeEnvoy, observer: RecordingObserver) -> None:
    trace = ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")

    await envoy.ask(request_headers(), request_body(body("hi")), metadata=[trace, ("x-other", "1")])

    exchange = observer.last
    assert exchange.trace_headers == dict([trace])
    assert exchange.endpoint is Endpoint.CHAT_COMPLETIONS
    assert exchange.request is not None
    assert exchange.request.prompt == "hi"
    assert isinstance(exchange.result, Decision)
    assert min(exchange.parse_seconds, exchange.decide_seconds, exchange.classify_seconds) >= 0


@pytest.mark.asyncio
async def test_observers_learn_of_rejections(envoy: FakeEnvoy, observer: RecordingObserver) -> None:
    await envoy.ask(request_headers(), request_body(b"not json"))

    assert observer.last.request is None
    assert isinstance(observer.last.result, RejectedError)
    assert observer.last.result.reason is Reason.INVALID_REQUEST


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("path", "shape"),
    [
        ("/v1/chat/completions", ["error"]),
        ("/v1/completions", ["error"]),
        ("/v1/responses", ["error"]),
        ("/v1/messages", ["type", "error"]),
    ],
)
@pytest.mark.parametrize("sent", [None, b"", b"not json", b"[]", b'{"model":"gpt-9","messages":[{"role":"user"}]}'])
async def test_what_cannot_be_answered_is_refused_in_the_shape_of_its_api(
    envoy: FakeEnvoy, path: str, shape: list[str], sent: bytes | None
) -> None:
    if sent is None:
        answers = await envoy.ask(request_headers(path, end_of_stream=True))
    else:
        answers = await envoy.ask(request_headers(path), request_body(sent))

    refusal = answers.last.immediate_response
    assert answers.code is grpc.StatusCode.OK
    assert refusal.status.code == (404 if sent and b"gpt-9" in sent else 400)
    assert set_headers(refusal.headers)["content-type"] == "application/json"
    assert list(json.loads(refusal.body)) == shape


@pytest.mark.asyncio
@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate, gzip", "zstd"])
async def test_a_compressed_body_is_a_415(envoy: FakeEnvoy, encoding: str) -> None:
    answers = await envoy.ask(request_headers(content_encoding=encoding), request_body(body()))

    assert answers.last.immediate_response.status.code == 415
    assert "uncompressed" in json.loads(answers.last.immediate_response.body)["error"]["message"]


@pytest.mark.asyncio
@pytest.mark.parametrize("encoding", ["identity", "Identity", ""])
async def test_a_body_that_is_not_compressed_is_read(envoy: FakeEnvoy, encoding: str) -> None:
    answers = await envoy.ask(request_headers(content_encoding=encoding), request_body(body()))

    assert answers.last.HasField("request_body")


NAMED = SignalReader(headers={"tenant": "x-tenant-id", "plan": "x-plan"})
RULES = [
    Rule("closed", HeaderIs("plan", frozenset(("none",))), Action(reject=Refusal(402, "pay first"))),
    Rule("split", HeaderIs("plan", frozenset(("free",))), Action(split=Split("tenant", (Arm("all", 1, Action()),)))),
    Rule("first", HeaderIs("plan", frozenset(("free,free",))), Action(tier=Tier.MODERATE)),
]
RULED = replace(ladder(), reader=NAMED, rules=tuple(RULES))


@pytest.mark.asyncio
async def test_the_rule_and_the_arm_are_in_the_metadata(socket: Path, observer: RecordingObserver) -> None:
    async with envoy_of(socket, always(make_router(RULED)), observer) as envoy:
        answers = await envoy.ask(request_headers(x_plan="free"), request_body(body()))

    described = router_metadata(answers.last)
    assert (described["rule"], described["arm"], described["reason"]) == ("split", "all", "difficulty")


@pytest.mark.asyncio
async def test_a_rule_may_reject_in_its_own_words(socket: Path, observer: RecordingObserver) -> None:
    async with envoy_of(socket, always(make_router(RULED)), observer) as envoy:
        answers = await envoy.ask(request_headers(x_plan="none"), request_body(body()))

    refusal = answers.last.immediate_response
    assert (refusal.status.code, json.loads(refusal.body)["error"]["message"]) == (402, "pay first")
    assert router_metadata(answers.last) == {
        "decision_id": observer.last.decision_id,
        "reason": "rejected_by_rule",
        "record": observer.last.record.decode(),
    }
    assert json.loads(observer.last.record)["rule"] == "closed"


@pytest.mark.asyncio
async def test_a_header_that_is_given_twice_has_both_values(socket: Path, observer: RecordingObserver) -> None:
    headers = request_headers(x_plan="free")
    headers.request_headers.headers.headers.add(key="x-plan", raw_value=b"free")

    async with envoy_of(socket, always(make_router(RULED)), observer) as envoy:
        answers = await envoy.ask(headers, request_body(body()))

    assert router_metadata(answers.last)["rule"] == "first"


@pytest.mark.asyncio
async def test_a_request_ends_by_the_policy_that_it_began_with(socket: Path, observer: RecordingObserver) -> None:
    policies = [ladder(), RULED]
    async with envoy_of(socket, lambda: Routers(make_router(policies[0])), observer) as envoy:
        stream = envoy.open_stream()
        await stream.write(request_headers(x_plan="none"))
        await stream.read()

        del policies[0]
        await stream.write(request_body(body()))

        assert router_metadata(await stream.read())["reason"] == "difficulty"
        answers = await envoy.ask(request_headers(x_plan="none"), request_body(body()))
        assert router_metadata(answers.last)["reason"] == "rejected_by_rule"


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("plan", "model", "reason", "tried"),
    [
        ("", "auto", "difficulty", "difficulty"),
        # by a header that only the shadow looks at
        ("none", "auto", "difficulty", "rejected_by_rule"),
        ("none", "gpt-9", "unknown_model", "unknown_model"),
    ],
)
async def test_a_shadow_is_told_and_not_followed(
    socket: Path, observer: RecordingObserver, plan: str, model: str, reason: str, tried: str
) -> None:
    async with envoy_of(socket, always(make_router(), make_router(RULED), make_router()), observer) as envoy:
        answers = await envoy.ask(request_headers(x_plan=plan), request_body(body(model=model)))

    assert router_metadata(answers.last)["reason"] == reason
    assert [shadow.result.reason for shadow in observer.last.shadows] == [tried, reason]
    assert json.loads(observer.last.shadows[0].record)["reason"] == tried


@pytest.mark.asyncio
async def test_a_shadow_remembers_for_the_tenant_that_the_policy_in_use_knows(
    socket: Path, observer: RecordingObserver
) -> None:
    """Its own policy may know none: then what one tenant asked would be recognised in another."""
    classifier = AnsweringClassifier()
    async with envoy_of(socket, always(make_router(RULED), make_router(classifier=classifier)), observer) as envoy:
        await envoy.ask(request_headers(x_tenant_id="acme"), request_body(body()))
        await observer.wait()

    assert classifier.owners == ["acme"]


@pytest.mark.asyncio
@pytest.mark.parametrize(("sent", "status"), [("müller", 402), ("miller", 0)])
@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
async def test_a_header_is_read_as_policies_are_written(
    socket: Path, observer: RecordingObserver, sent: str, status: int, encoding: str
) -> None:
    closed = Rule("closed", HeaderIs("plan", frozenset(("müller",))), Action(reject=Refusal(402, "pay first")))
    headers = request_headers()
    headers.request_headers.headers.headers.add(key="x-plan", raw_value=sent.encode(encoding))

    async with envoy_of(socket, always(make_router(replace(RULED, rules=(closed,)))), observer) as envoy:
        answers = await envoy.ask(headers, request_body(body()))

    assert answers.last.immediate_response.status.code == status


@pytest.mark.asyncio
async def test_a_body_that_cannot_be_read_is_shown_to_no_shadow(socket: Path, observer: RecordingObserver) -> None:
    async with envoy_of(socket, always(make_router(), make_router()), observer) as envoy:
        await envoy.ask(request_headers(), request_body(b"not json"))

    assert observer.last.shadows == ()


@pytest.mark.asyncio
async def test_an_exchange_is_told_even_if_envoy_leaves_while_a_shadow_still_thinks(
    socket: Path, observer: RecordingObserver
) -> None:
    classifier = HangingClassifier()
    async with envoy_of(socket, always(make_router(), make_router(classifier=classifier)), observer) as envoy:
        stream = envoy.open_stream()
        await stream.write(request_headers())
        await stream.read()
        await stream.write(request_body(body()))
        assert router_metadata(await stream.read())["reason"] == "difficulty"
        await classifier.asked.wait()

        stream.cancel()
        await envoy.ask(request_headers("/v1/files"))  # the server has seen it
        classifier.answer.set_result(classification(difficulty=0.95))

        async with asyncio.timeout(PATIENCE_SECONDS):
            exchange = await observer.wait()
    assert (exchange.result.reason, exchange.shadows[0].result.reason) == ("difficulty", "difficulty")


@pytest.mark.asyncio
async def test_nothing_of_a_prompt_is_logged(envoy: FakeEnvoy, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    await envoy.ask(request_headers(), request_body(body("my secret")))
    await envoy.ask(request_headers(), request_body(body("my secret", model="my secret")))
    await envoy.ask(request_headers(), request_body(b'{"model":"auto","messages":["my secret"]}'))

    assert "secret" not in caplog.text


class CutStream:
    """Envoy's side of a stream that it ends while the decision is written: it has what it wants."""

    def __init__(self, *messages: ProcessingRequest) -> None:
        self._messages = iter(messages)
        self._answered = False

    async def read(self) -> ProcessingRequest:
        return next(self._messages)

    async def write(self, message: bytes) -> None:
        if self._answered:
            raise asyncio.CancelledError
        self._answered = True

    def invocation_metadata(self) -> object:
        return ()


@pytest.mark.asyncio
@pytest.mark.parametrize("model", ["auto", "no-such-model"])
async def test_what_was_decided_is_told_also_if_envoy_ends_the_stream_meanwhile(
    observer: RecordingObserver, model: str
) -> None:
    stream = CutStream(request_headers(), request_body(body("hi there", model=model)))

    with pytest.raises(asyncio.CancelledError):
        await Processor(always(make_router()), [observer]).process(stream)

    assert len(observer.exchanges) == 1
