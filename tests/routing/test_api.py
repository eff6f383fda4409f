"""Which requests are the router's business."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sidecar.routing.api import Endpoint, find_endpoint
from tests.fakes.properties import examples


@pytest.mark.parametrize(
    ("method", "path", "endpoint"),
    [
        ("POST", "/v1/chat/completions", Endpoint.CHAT_COMPLETIONS),
        ("PUT", "/v1/chat/completions", Endpoint.CHAT_COMPLETIONS),
        ("post", "/v1/chat/completions", Endpoint.CHAT_COMPLETIONS),
        ("POST", "/v1/completions", Endpoint.COMPLETIONS),
        ("POST", "/v1/responses", Endpoint.RESPONSES),
        ("POST", "/v1/messages", Endpoint.MESSAGES),
        # as forgiving servers take them
        ("POST", "/v1/chat/completions/", Endpoint.CHAT_COMPLETIONS),
        ("POST", "/v1/chat/completions//", Endpoint.CHAT_COMPLETIONS),
        ("POST", "/V1/Chat/COMPLETIONS", Endpoint.CHAT_COMPLETIONS),
        ("POST", "/v1/messages?beta=true", Endpoint.MESSAGES),
        ("POST", "/v1/messages/?a=b?c", Endpoint.MESSAGES),
        ("POST", "/v1/responses;v=1", Endpoint.RESPONSES),
        ("POST", "/v1/responses%3Fa", Endpoint.RESPONSES),
        ("POST", "/v1/responses?\n", Endpoint.RESPONSES),
        # what else these APIs have
        ("POST", "/v1/messages/count_tokens", None),
        ("POST", "/v1/messages/batches", None),
        ("POST", "/v1/responses/resp_123/cancel", None),
        ("POST", "/v1/chat/completions/chatcmpl-1", None),
        ("POST", "/v1/embeddings", None),
        ("POST", "/v1/files", None),
        ("GET", "/v1/models", None),
        ("GET", "/v1/chat/completions", None),
        ("HEAD", "/v1/chat/completions", None),
        ("DELETE", "/v1/responses", None),
        ("OPTIONS", "/v1/chat/completions", None),
        # other servers' paths
        ("POST", "/", None),
        ("POST", "", None),
        ("POST", "*", None),
        ("POST", "/v1", None),
        ("POST", "/chat/completions", None),
        ("POST", "/v2/chat/completions", None),
        ("POST", "/x/v1/chat/completions", None),
        ("POST", "/v1/chat/completions.json", None),
        ("POST", "/upload?next=/v1/chat/completions", None),
    ],
)
def test_an_endpoint_is_known_by_method_and_path(method: str, path: str, endpoint: Endpoint | None) -> None:
    assert find_endpoint(method, path) == endpoint


@given(st.text(max_size=40), st.text(max_size=80))
@example("POST", "/v1/chat/completions" + "/" * 10_000 + "x")
@example("POST", "/v1/chat/completion\u017f")  # matches "s" when letter case is ignored
@examples(100)
def test_any_method_and_path_have_an_answer(method: str, path: str) -> None:
    find_endpoint(method, path)


@given(st.text(max_size=30))
@examples(100)
def test_the_query_decides_nothing(query: str) -> None:
    assert find_endpoint("POST", f"/v1/messages?{query}") == Endpoint.MESSAGES
    assert find_endpoint("POST", f"/v1/files?{query}") is None
