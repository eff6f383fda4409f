"""The real Envoy and the real sidecar have the metrics that rules and the dashboard ask for."""

import re
from collections.abc import Iterator

import httpx
import pytest

from tests.envoy.gateway import Gateway
from tests.fakes.metrics import families
from tests.observability.expressions import ENVOY, known_metrics


@pytest.fixture(scope="module")
def gateway() -> Iterator[Gateway]:
    with Gateway() as gateway:
        yield gateway


def test_envoy_has_the_metrics_that_are_asked_for(gateway: Gateway) -> None:
    text = httpx.get(f"http://127.0.0.1:{gateway.admin_port}/stats/prometheus").text
    samples = re.findall(r"^(\w+)\{([^}]*)\} \S+$", text, re.MULTILINE)
    labels = {name: frozenset(re.findall(r'(\w+)="', written)) for name, written in samples if name in ENVOY}

    assert labels == dict(ENVOY)
    for cluster in ("sidecar", "outcomes"):
        assert ("envoy_cluster_upstream_cx_connect_fail", f'envoy_cluster_name="{cluster}"') in samples


def test_the_sidecar_has_no_others_than_the_rules_know(gateway: Gateway) -> None:
    answer = gateway.ask()
    gateway.find_record(answer.headers["x-llm-decision-id"])
    known = known_metrics()

    told = [*families(httpx.get(f"http://127.0.0.1:{gateway.http_port}/metrics").text)]

    for family in told:
        assert family.labels <= known[family.name]
    assert {"llm_router_cost_usd_total", "llm_router_attempts_total", "llm_router_worker_ready"} <= {
        family.name for family in told
    }
