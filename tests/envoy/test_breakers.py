"""A model that is taken out, by ejection or by a full breaker, is passed over before the client notices."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.envoy.gateway import Gateway
from tests.envoy.prompts import SIMPLE


def test_an_ejected_model_is_passed_over_and_no_client_sees_an_error() -> None:
    with Gateway(values={"consecutive_5xx": 3, "base_ejection_time": "60s"}) as gateway:
        gateway.providers.set_fault("503", provider="google")
        answers = [gateway.ask(SIMPLE) for _ in range(12)]
        assert [answer.status_code for answer in answers] == [200] * 12
        assert {answer.headers["x-llm-model"] for answer in answers} == {"gpt-4o-mini"}
        assert gateway.stat("cluster.gemini-flash-provider.outlier_detection.ejections_active") == 1
        assert len(gateway.providers.requests(provider="google")) < 6  # then it was left alone


def narrow_breakers(bootstrap: dict[str, Any]) -> None:
    for cluster in bootstrap["static_resources"]["clusters"]:
        if cluster["name"] == "gemini-flash-provider":
            cluster["circuit_breakers"]["thresholds"][0] |= {"max_requests": 2, "max_pending_requests": 1}


def test_an_overflowing_breaker_sends_the_rest_to_the_next_model() -> None:
    with Gateway(change=narrow_breakers) as gateway:
        gateway.providers.set_latency("gemini-2.0-flash", 300)
        with ThreadPoolExecutor(12) as pool:
            answers = list(pool.map(lambda _: gateway.ask(SIMPLE), range(12)))
        assert [answer.status_code for answer in answers] == [200] * 12
        assert {answer.headers["x-llm-model"] for answer in answers} == {"gemini-flash", "gpt-4o-mini"}
        assert gateway.stat("cluster.gemini-flash-provider.upstream_rq_active_overflow") > 0


def test_many_requests_at_once_all_leave_a_failing_model() -> None:
    """Envoy's own retry budget would stop most of them."""
    with Gateway() as gateway:
        gateway.providers.set_fault("503", provider="google")
        with ThreadPoolExecutor(40) as pool:
            answers = list(pool.map(lambda _: gateway.ask(SIMPLE), range(40)))
        assert [answer.status_code for answer in answers] == [200] * 40
