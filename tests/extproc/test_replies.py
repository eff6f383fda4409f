"""What we say to Envoy about any decision and any rejection."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.extproc import replies
from sidecar.extproc.ext_proc_pb2 import ProcessingResponse
from sidecar.routing.api import Api, Endpoint
from sidecar.routing.decision import Decision
from sidecar.routing.policy import Policy
from sidecar.routing.reason import Reason
from sidecar.routing.rejection import RejectedError
from sidecar.routing.request import parse_request
from tests.fakes.classifiers import classification
from tests.fakes.decisions import decided, decided_without, undecided
from tests.fakes.envoy import router_metadata, set_headers
from tests.fakes.policies import ladder, make_model, make_policy
from tests.fakes.properties import examples
from tests.fakes.requests import body

RECORD = b'{"why": "for a test"}'


def _route(sent: bytes, decision: Decision) -> ProcessingResponse:
    request = parse_request(Endpoint.CHAT_COMPLETIONS, sent)
    return ProcessingResponse.FromString(replies.route("d1", request, decision, RECORD, sent))


def _decide(sent: bytes) -> Decision:
    request = parse_request(Endpoint.CHAT_COMPLETIONS, sent)
    return undecided(ladder(), request) or decided(ladder(), request, classification("math", difficulty=None))


@given(
    st.text(max_size=50), st.dictionaries(st.text(max_size=8).filter(lambda key: key.lower() != "model"), st.text())
)
@examples(100)
def test_nothing_of_a_request_gets_into_headers_or_metadata(prompt: str, more: dict[str, str]) -> None:
    prompt = f"s3cret{prompt}\r\nx-evil: 1"
    fields = more | {"user": "s3cret"} | dict.fromkeys(("messages", "tools", "max_tokens"), None)
    sent = body(prompt, **{key: value for key, value in fields.items() if value is not None and key != "prompt"})

    reply = _route(sent, _decide(sent))

    common = reply.request_body.response
    described = repr(router_metadata(reply)) + repr(set_headers(common.header_mutation))
    assert "s3cret" not in described and "evil" not in described
    assert all(value.isprintable() and value.isascii() for value in set_headers(common.header_mutation).values())
    assert set_headers(common.header_mutation)["content-length"] == str(len(common.body_mutation.body))


@pytest.mark.parametrize("id_", ["x", "a-much-longer-model-id-than-auto", "ünï", 'quo"te', "meta/llama-3:70b"])
def test_content_length_is_that_of_the_changed_body(id_: str) -> None:
    policy = make_policy([make_model("a", id_=id_)], ["a"])
    sent = body("日本")

    reply = _route(sent, decided_without(policy, parse_request(Endpoint.CHAT_COMPLETIONS, sent), Reason.NO_PROMPT))

    common = reply.request_body.response
    assert set_headers(common.header_mutation)["content-length"] == str(len(common.body_mutation.body))
    assert json.loads(common.body_mutation.body) == json.loads(sent) | {"model": id_}


def test_a_body_that_names_the_right_model_is_not_sent_back() -> None:
    policy = make_policy([make_model("gpt", id_="gpt")], ["gpt"])
    sent = body(model="gpt")
    decision = undecided(policy, parse_request(Endpoint.CHAT_COMPLETIONS, sent))
    assert decision is not None

    common = _route(sent, decision).request_body.response

    assert not common.HasField("body_mutation")
    assert "content-length" not in set_headers(common.header_mutation)
    assert common.clear_route_cache
    assert common.header_mutation.set_headers  # or Envoy would ignore clear_route_cache


def _stream(policy: Policy, **more: object) -> tuple[bytes, ProcessingResponse]:
    sent = body("日本", "a", stream=True, **more)
    request = parse_request(Endpoint.CHAT_COMPLETIONS, sent)
    decision = decided_without(policy, request, Reason.NO_PROMPT)
    return sent, ProcessingResponse.FromString(
        replies.route("d1", request, decision, RECORD, sent, stream_usage=True)
    )


@pytest.mark.parametrize("id_", ["a", "a-much-longer-model-id"])
def test_a_stream_is_made_to_tell_its_tokens_beside_its_model(id_: str) -> None:
    sent, reply = _stream(make_policy([make_model("a", id_=id_)], ["a"]))

    common = reply.request_body.response
    assert json.loads(common.body_mutation.body) == json.loads(sent) | {
        "model": id_,
        "stream_options": {"include_usage": True},
    }
    assert set_headers(common.header_mutation)["content-length"] == str(len(common.body_mutation.body))


def test_a_client_that_wants_no_usage_keeps_its_body() -> None:
    _, reply = _stream(make_policy([make_model("a", id_="a")], ["a"]), stream_options={"include_usage": False})

    assert not reply.request_body.response.HasField("body_mutation")


def test_nothing_is_added_that_a_model_of_the_plan_would_refuse() -> None:
    models = [make_model("a", id_="a"), make_model("b", unsupported=["stream_options"])]

    _, reply = _stream(make_policy(models, ["a"]))

    assert [each["name"] for each in router_metadata(reply)["priority_groups"]] == ["a-cluster", "b-cluster"]
    assert not reply.request_body.response.HasField("body_mutation")


def test_without_the_policys_word_a_stream_goes_on_as_it_is() -> None:
    policy = make_policy([make_model("a", id_="a")], ["a"])
    sent = body(model="a", stream=True)

    reply = _route(sent, decided_without(policy, parse_request(Endpoint.CHAT_COMPLETIONS, sent), Reason.NO_PROMPT))

    assert not reply.request_body.response.HasField("body_mutation")


@pytest.mark.parametrize(
    ("status", "param", "code", "anthropic_type"),
    [
        (400, "messages", None, "invalid_request_error"),
        (400, None, "context_length_exceeded", "invalid_request_error"),
        (404, "model", "model_not_found", "not_found_error"),
        (404, None, None, "not_found_error"),
        (415, None, None, "invalid_request_error"),
    ],
)
def test_a_rejection_has_the_shape_of_its_api(
    status: int, param: str | None, code: str | None, anthropic_type: str
) -> None:
    rejection = RejectedError(Reason.NO_CANDIDATE, "nö\n", status=status, param=param, code=code)

    of_openai, of_anthropic = (
        ProcessingResponse.FromString(replies.reject("d1", api, rejection, RECORD))
        for api in (Api.OPENAI, Api.ANTHROPIC)
    )

    for reply in (of_openai, of_anthropic):
        assert reply.immediate_response.status.code == status
        assert reply.immediate_response.details == "llm_router_no_candidate"
        assert set_headers(reply.immediate_response.headers) == {
            "content-type": "application/json",
            "x-llm-decision-id": "d1",
            "x-llm-reason": "no_candidate",
        }
        assert router_metadata(reply) == {"decision_id": "d1", "reason": "no_candidate", "record": RECORD.decode()}
    assert json.loads(of_openai.immediate_response.body) == {
        "error": {"message": "nö\n", "type": "invalid_request_error", "param": param, "code": code}
    }
    assert json.loads(of_anthropic.immediate_response.body) == {
        "type": "error",
        "error": {"type": anthropic_type, "message": "nö\n"},
    }


@pytest.mark.parametrize("phase", ["request_headers", "response_headers", "request_body", "response_body"])
def test_going_on_unchanged_changes_nothing(phase: str) -> None:
    reply = ProcessingResponse.FromString(replies.continue_unchanged(phase))

    assert reply.WhichOneof("response") == phase
    common = getattr(reply, phase).response
    assert not common.ListFields()


@pytest.mark.parametrize("phase", ["request_trailers", "response_trailers"])
def test_trailers_go_on_unchanged(phase: str) -> None:
    reply = ProcessingResponse.FromString(replies.continue_unchanged(phase))

    assert reply.WhichOneof("response") == phase
    assert not getattr(reply, phase).ListFields()
