"""`GET /v1/models`: what a caller may ask for, in the shape of its API."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest

from sidecar.extproc import replies
from sidecar.extproc.ext_proc_pb2 import ProcessingResponse
from sidecar.routing.api import Api, Endpoint
from sidecar.routing.policy import CallersMay, Policy
from sidecar.routing.signals import SignalReader
from tests.fakes.envoy import request_headers, set_headers
from tests.fakes.observers import RecordingObserver
from tests.fakes.policies import make_model, make_policy
from tests.fakes.processors import envoy_of
from tests.fakes.routers import always, make_router

POLICY = make_policy(
    [
        make_model("gpt-4o", provider="openai"),
        make_model("o3", provider="openai", tenants=["acme", "globex"]),
        make_model("org/llama-3:70b", provider="vllm", endpoints=[Endpoint.COMPLETIONS]),
        make_model("haiku", provider="anthropic", api=Api.ANTHROPIC),
        make_model("opus", provider="anthropic", api=Api.ANTHROPIC, tenants=["acme"]),
    ],
    ["gpt-4o", "haiku"],
    virtual_models=["auto", "auto-cheap"],
    reader=SignalReader(headers={"tenant": "x-tenant-id"}),
)

ANTHROPIC = {"anthropic_version": "2023-06-01"}


async def ask(
    socket: Path, path: str, headers: Mapping[str, Any] | None = None, policy: Policy = POLICY
) -> tuple[int, Any]:
    """Status and body."""
    observer = RecordingObserver()
    async with envoy_of(socket, always(make_router(policy)), observer) as envoy:
        answers = await envoy.ask(request_headers(path, "GET", end_of_stream=True, **(headers or {})))
    assert answers.code is grpc.StatusCode.OK
    (reply,) = answers.replies
    assert set_headers(reply.immediate_response.headers) == {"content-type": "application/json"}
    assert not reply.HasField("dynamic_metadata")
    assert observer.exchanges == []  # it is no request for a completion
    return reply.immediate_response.status.code, json.loads(reply.immediate_response.body)


async def names(socket: Path, headers: Mapping[str, Any] | None = None, policy: Policy = POLICY) -> list[str]:
    """Of the list."""
    status, listed = await ask(socket, "/v1/models", headers, policy)
    assert status == 200
    return [entry["id"] for entry in listed["data"]]


@pytest.mark.asyncio
async def test_the_list_has_the_shape_of_openais_api(socket: Path) -> None:
    assert await ask(socket, "/v1/models") == (
        200,
        {
            "object": "list",
            "data": [
                {"id": "auto", "object": "model", "created": 0, "owned_by": "auto"},
                {"id": "auto-cheap", "object": "model", "created": 0, "owned_by": "auto"},
                {"id": "gpt-4o", "object": "model", "created": 0, "owned_by": "openai"},
                {"id": "org/llama-3:70b", "object": "model", "created": 0, "owned_by": "vllm"},
            ],
        },
    )


@pytest.mark.asyncio
async def test_who_speaks_anthropics_api_gets_its_shape_and_its_models(socket: Path) -> None:
    def entry(name: str) -> dict[str, str]:
        return {"type": "model", "id": name, "display_name": name, "created_at": "1970-01-01T00:00:00Z"}

    assert await ask(socket, "/v1/models", ANTHROPIC) == (
        200,
        {
            "data": [entry("auto"), entry("auto-cheap"), entry("haiku")],
            "has_more": False,
            "first_id": "auto",
            "last_id": "haiku",
        },
    )


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("headers", "listed"),
    [
        ({}, ["auto", "auto-cheap", "gpt-4o", "org/llama-3:70b"]),
        ({"x_tenant_id": "other"}, ["auto", "auto-cheap", "gpt-4o", "org/llama-3:70b"]),
        ({"x_tenant_id": "acme"}, ["auto", "auto-cheap", "gpt-4o", "o3", "org/llama-3:70b"]),
        # as a request for a completion would have it read
        ({"x_tenant_id": " acme "}, ["auto", "auto-cheap", "gpt-4o", "o3", "org/llama-3:70b"]),
        ({"x_tenant_id": "acme", **ANTHROPIC}, ["auto", "auto-cheap", "haiku", "opus"]),
        ({"x_tenant_id": "globex", **ANTHROPIC}, ["auto", "auto-cheap", "haiku"]),
    ],
)
async def test_a_model_for_some_tenants_is_listed_for_them_alone(
    socket: Path, headers: dict[str, Any], listed: list[str]
) -> None:
    assert await names(socket, headers) == listed


@pytest.mark.asyncio
@pytest.mark.parametrize("headers", [{}, ANTHROPIC, {"x_tenant_id": "acme"}])
async def test_where_nobody_may_name_models_only_virtual_ones_are_listed(
    socket: Path, headers: dict[str, Any]
) -> None:
    closed = replace(POLICY, callers_may=CallersMay(name_models=False))

    assert await names(socket, headers, closed) == ["auto", "auto-cheap"]
    assert (await ask(socket, "/v1/models/gpt-4o", headers, closed))[0] == 404


@pytest.mark.asyncio
async def test_a_policy_without_virtual_models_lists_its_models(socket: Path) -> None:
    policy = make_policy([make_model("gpt-4o")], ["gpt-4o"], virtual_models=[])

    assert await names(socket, policy=policy) == ["gpt-4o"]
    assert await ask(socket, "/v1/models", ANTHROPIC, policy) == (
        200,
        {"data": [], "has_more": False, "first_id": None, "last_id": None},
    )


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/v1/models/gpt-4o", "gpt-4o"),
        ("/v1/models/gpt-4o/", "gpt-4o"),
        ("/v1/models/gpt-4o?a=b/c", "gpt-4o"),
        ("/v1/models/auto", "auto"),
        # as SDKs write it, and as people do
        ("/v1/models/org%2Fllama-3%3A70b", "org/llama-3:70b"),
        ("/v1/models/org/llama-3:70b", "org/llama-3:70b"),
    ],
)
async def test_a_model_can_be_asked_for_by_its_name(socket: Path, path: str, name: str) -> None:
    status, entry = await ask(socket, path)

    assert (status, entry["id"], entry["object"]) == (200, name, "model")


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/v1/models/gpt-9", {}),
        ("/v1/models/o3", {"x_tenant_id": "other"}),
        ("/v1/models/haiku", {}),
        ("/v1/models/%ff%00", {}),
    ],
)
async def test_a_model_that_a_caller_may_not_use_is_a_404_in_openais_shape(
    socket: Path, path: str, headers: dict[str, Any]
) -> None:
    status, body = await ask(socket, path, headers)

    told = "this gateway has no such model for you; it has auto, auto-cheap, gpt-4o, org/llama-3:70b"
    assert (status, body) == (
        404,
        {
            "error": {
                "message": f"model: {told}",
                "type": "invalid_request_error",
                "param": "model",
                "code": "model_not_found",
            }
        },
    )


@pytest.mark.asyncio
async def test_a_model_that_a_caller_may_not_use_is_a_404_in_anthropics_shape(socket: Path) -> None:
    status, body = await ask(socket, "/v1/models/gpt-4o", ANTHROPIC)

    assert (status, body["type"], body["error"]["type"]) == (404, "error", "not_found_error")
    assert body["error"]["message"].endswith("it has auto, auto-cheap, haiku")


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "path", ["/v1/models", "/v1/models/", "/v1/models?limit=20", "/v1/models//", "/v1/models/?a"]
)
async def test_the_list_may_be_asked_for_in_any_way(socket: Path, path: str) -> None:
    status, body = await ask(socket, path)

    assert (status, body["object"], len(body["data"])) == (200, "list", 4)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("path", "method"),
    [
        ("/v1/models", "POST"),
        ("/v1/models", "HEAD"),
        ("/v1/models/gpt-4o", "DELETE"),
        ("/v1/modelsx", "GET"),
        ("/v2/models", "GET"),
        ("/v1/models" + "/" * 50_000 + "\n", "PUT"),
    ],
)
async def test_anything_else_goes_on(socket: Path, path: str, method: str) -> None:
    async with envoy_of(socket, always(make_router(POLICY)), RecordingObserver()) as envoy:
        answers = await envoy.ask(request_headers(path, method, end_of_stream=True))

    assert answers.replies == [ProcessingResponse.FromString(replies.IGNORE_REQUEST)]


@pytest.mark.asyncio
async def test_a_path_of_nothing_but_slashes_is_no_work(socket: Path) -> None:
    """A pattern that tries every way to part them would take hours."""
    assert (await ask(socket, f"/v1/models{'/' * 50_000}"))[0] == 200
    assert (await ask(socket, f"/v1/models{'/a' * 25_000}"))[0] == 404
