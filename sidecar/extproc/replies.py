"""Every message that we send to Envoy. What never changes is serialised once."""

import msgspec

from sidecar.extproc import names
from sidecar.extproc.ext_proc_pb2 import (
    BodyMutation,
    BodyResponse,
    CommonResponse,
    HeaderMutation,
    HeadersResponse,
    HeaderValue,
    HeaderValueOption,
    HttpStatus,
    ImmediateResponse,
    ProcessingMode,
    ProcessingResponse,
    TrailersResponse,
)
from sidecar.routing.api import Api
from sidecar.routing.body import Edit, edit_body, replace_value
from sidecar.routing.decision import Decision
from sidecar.routing.policy import Plan
from sidecar.routing.rejection import RejectedError
from sidecar.routing.request import ChatRequest

_OVERWRITE = HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD

AWAIT_BODY = ProcessingResponse(request_headers=HeadersResponse(response=CommonResponse())).SerializeToString()
"""Go on, and show us the body."""

IGNORE_REQUEST = ProcessingResponse(
    request_headers=HeadersResponse(response=CommonResponse()),
    # Without this Envoy would still buffer the whole body (an upload, say) before it finds our stream ended.
    mode_override=ProcessingMode(
        request_header_mode=ProcessingMode.SEND,
        response_header_mode=ProcessingMode.SKIP,
        request_body_mode=ProcessingMode.NONE,
        response_body_mode=ProcessingMode.NONE,
    ),
).SerializeToString()
"""Go on; this request is not ours."""

_ANTHROPIC_ERRORS = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
}

_CONTINUE = {
    "request_headers": AWAIT_BODY,
    "response_headers": ProcessingResponse(
        response_headers=HeadersResponse(response=CommonResponse())
    ).SerializeToString(),
    "request_body": ProcessingResponse(request_body=BodyResponse(response=CommonResponse())).SerializeToString(),
    "response_body": ProcessingResponse(response_body=BodyResponse(response=CommonResponse())).SerializeToString(),
    "request_trailers": ProcessingResponse(request_trailers=TrailersResponse()).SerializeToString(),
    "response_trailers": ProcessingResponse(response_trailers=TrailersResponse()).SerializeToString(),
}


def continue_unchanged(phase: str) -> bytes:
    """Leave that phase (a field name of ProcessingRequest's oneof) as it is."""
    return _CONTINUE[phase]


def route(
    decision_id: str,
    request: ChatRequest,
    decision: Decision,
    record: bytes,
    body: bytes,
    *,
    stream_usage: bool = False,
) -> bytes:
    """Send the request along the plan, with the first model's id in the body.

    `stream_usage`: a stream that does not say so itself is to tell its tokens.
    """
    common = CommonResponse(
        # Envoy picked a route from the headers alone; with the plan known it has to pick again. It ignores this
        # unless the same reply also changes a header.
        clear_route_cache=True
    )
    headers = common.header_mutation.set_headers
    headers.append(_header(names.CLUSTER_HEADER, decision.model.cluster))
    headers.append(_header(names.DECISION_ID_HEADER, decision_id))
    edits = _edits(request, decision, stream_usage=stream_usage)
    if edits:
        body = edit_body(body, edits)
        common.body_mutation.CopyFrom(BodyMutation(body=body))
        # Envoy keeps the client's content-length and answers 500 when the body no longer has it.
        headers.append(_header("content-length", str(len(body))))
    reply = ProcessingResponse(request_body=BodyResponse(response=common))
    _describe(reply, decision_id, decision, record)
    return reply.SerializeToString()


def _edits(request: ChatRequest, decision: Decision, *, stream_usage: bool) -> list[Edit]:
    edits = []
    if request.model != decision.model.id:
        edits.append(replace_value(request.model_member, decision.model.id))
    # All attempts have the same body.
    if stream_usage and request.usage_edit is not None and not _is_refused("stream_options", decision.plan):
        edits.append(request.usage_edit)
    return edits


def _is_refused(parameter: str, plan: Plan) -> bool:
    return any(parameter in model.unsupported for model in plan)


def reject(decision_id: str, api: Api, rejection: RejectedError, record: bytes) -> bytes:
    """Answer the client in its own API's error shape."""
    headers = HeaderMutation(
        set_headers=[
            _header("content-type", "application/json"),
            _header(names.DECISION_ID_HEADER, decision_id),
            _header(names.REASON_HEADER, rejection.reason),
        ]
    )
    reply = ProcessingResponse(
        immediate_response=ImmediateResponse(
            status=HttpStatus(code=rejection.status),
            headers=headers,
            body=msgspec.json.encode(error_object(api, rejection)),
            details=f"llm_router_{rejection.reason}",
        )
    )
    fields = reply.dynamic_metadata.fields[names.METADATA_NAMESPACE].struct_value.fields
    fields[names.DECISION_ID].string_value = decision_id
    fields[names.REASON].string_value = rejection.reason
    fields[names.RECORD].string_value = record.decode()
    return reply.SerializeToString()


def list_models(catalogue: object) -> bytes:
    """Answer the client with that JSON value."""
    return _answer(200, catalogue)


def refuse_model_lookup(api: Api, rejection: RejectedError) -> bytes:
    """Answer a question for a model that the caller cannot use."""
    return _answer(rejection.status, error_object(api, rejection))


def _answer(status: int, value: object) -> bytes:
    headers = HeaderMutation(set_headers=[_header("content-type", "application/json")])
    return ProcessingResponse(
        immediate_response=ImmediateResponse(
            status=HttpStatus(code=status),
            headers=headers,
            body=msgspec.json.encode(value),
            details="llm_router_models",
        )
    ).SerializeToString()


def _describe(reply: ProcessingResponse, decision_id: str, decision: Decision, record: bytes) -> None:
    """The plan and the decision as dynamic metadata, for Envoy's route, access log, trace tags and response headers.

    Values are names from the policy and our own words, never text of the request: Envoy writes them into headers
    as they are, line breaks included. The record is JSON, so what a client's headers put into it is escaped.
    """
    fields = reply.dynamic_metadata.fields[names.METADATA_NAMESPACE].struct_value.fields
    groups = fields[names.PRIORITY_GROUPS].list_value.values
    for model in decision.plan:
        groups.add().struct_value.fields["name"].string_value = model.cluster
    fields[names.DECISION_ID].string_value = decision_id
    fields[names.MODEL].string_value = decision.model.name
    fields[names.TIER].string_value = decision.tier.label
    fields[names.REASON].string_value = decision.reason
    fields[names.POLICY].string_value = decision.policy_hash
    fields[names.RECORD].string_value = record.decode()
    if decision.trail.rule is not None:
        fields[names.RULE].string_value = decision.trail.rule
    if decision.trail.arm is not None:
        fields[names.ARM].string_value = decision.trail.arm
    classification = decision.classification
    if classification is not None:
        fields[names.INTENT].string_value = classification.settled_intent
        fields[names.CONFIDENCE].number_value = round(classification.confidence, 4)
        if classification.difficulty is not None:
            fields[names.DIFFICULTY].number_value = round(classification.difficulty, 4)


def _header(key: str, value: str) -> HeaderValueOption:
    # Envoy reads raw_value first, and drops `value` unless a runtime flag says otherwise.
    return HeaderValueOption(header=HeaderValue(key=key, raw_value=value.encode()), append_action=_OVERWRITE)


def error_object(api: Api, rejection: RejectedError) -> dict[str, object]:
    """What a client of that API takes for an error."""
    kind = _ANTHROPIC_ERRORS.get(rejection.status, "invalid_request_error")
    if api is Api.ANTHROPIC:
        return {"type": "error", "error": {"type": kind, "message": rejection.message}}
    return {
        "error": {
            "message": rejection.message,
            "type": "invalid_request_error",
            "param": rejection.param,
            "code": rejection.code,
        }
    }
