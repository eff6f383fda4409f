"""Of all x-llm-* request headers a client can set two, and no provider sees any of them."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.envoy.gateway import Gateway
from tests.envoy.prompts import SIMPLE

CALLERS = ("x-llm-tier", "x-llm-max-cost")
OTHERS = (
    *("x-llm-cluster", "x-llm-target", "x-llm-api", "x-llm-decision-id", "x-llm-model", "x-llm-reason"),
    *("x-llm-", "x-llm-tie", "x-llm-tiers", "x-llm-tier-2", "x-llm-max-cos", "x-llm-max-costs", "x-llm-anything"),
    *("x_llm_tier", "llm_tier", "llm_max_cost"),
)
BODY = {"model": "auto", "messages": [{"role": "user", "content": SIMPLE}]}


def show_request_headers(bootstrap: dict[str, Any]) -> None:
    """In the access log, as they left the edge."""
    edge = bootstrap["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
    fields = edge["access_log"][0]["typed_config"]["log_format"]["json_format"]
    fields |= {header: f"%REQ({header})%" for header in (*CALLERS, *OTHERS)}


@pytest.fixture(scope="module", params=["envoy.yaml", "envoy-basic.yaml"])
def showing(request: pytest.FixtureRequest) -> Iterator[Gateway]:
    with Gateway(request.param, change=show_request_headers) as gateway:
        yield gateway


def test_only_the_callers_headers_get_past_the_edge(showing: Gateway) -> None:
    showing.providers.clear_requests()
    answer = showing.post(BODY, headers=dict.fromkeys((*CALLERS, *OTHERS), "mine"))
    entry = showing.find_log_entry(answer.headers["x-llm-decision-id"])
    assert [header for header in (*CALLERS, *OTHERS) if entry[header] == "mine"] == list(CALLERS)
    (received,) = showing.providers.requests()
    assert [name for name in received["headers"] if "llm" in name] == []


def test_a_client_that_sets_none_has_none(showing: Gateway) -> None:
    answer = showing.post(BODY)
    entry = showing.find_log_entry(answer.headers["x-llm-decision-id"])
    assert [entry[header] for header in CALLERS] == [None, None]
    assert answer.headers["x-llm-tier"] == "simple"  # the decision's, in the response


@pytest.mark.parametrize("path", ["/v1/files", "/v1/messages/batches"])
def test_requests_that_pass_unread_take_none_along(showing: Gateway, path: str) -> None:
    showing.providers.clear_requests()
    showing.get(path, headers=dict.fromkeys(CALLERS, "mine"))
    (received,) = showing.providers.requests()
    assert [name for name in received["headers"] if "llm" in name] == []
