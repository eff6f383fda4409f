"""Without a sidecar every request is answered, by a real model of the policy, and the bypass is counted."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from tests.envoy.gateway import HASTY, Gateway

CONFIGS = ["envoy.yaml", "envoy-basic.yaml"]
THREADS = 4


@contextmanager
def load(gateway: Gateway) -> Iterator[list[httpx.Response]]:
    """Requests one after another on each thread, as long as the block runs."""
    answers: list[httpx.Response] = []
    done = threading.Event()

    def work() -> None:
        while not done.is_set():
            answers.append(gateway.ask())

    workers = [threading.Thread(target=work) for _ in range(THREADS)]
    for worker in workers:
        worker.start()
    yield answers
    done.set()
    for worker in workers:
        worker.join()


def wait_for_more(answers: list[httpx.Response], count: int) -> None:
    enough = len(answers) + count
    give_up = time.monotonic() + 30
    while len(answers) < enough and time.monotonic() < give_up:
        time.sleep(0.01)


@pytest.mark.parametrize("config", CONFIGS)
def test_killed_under_load_no_request_fails(config: str) -> None:
    with Gateway(config) as gateway:
        with load(gateway) as answers:
            wait_for_more(answers, 20)
            gateway.kill_sidecar()
            wait_for_more(answers, 100)
        assert {answer.status_code for answer in answers} == {200}
        assert "x-llm-reason" in answers[0].headers
        assert "x-llm-reason" not in answers[-1].headers
        assert answers[-1].headers["x-llm-model"] == "gpt-4o"
        assert {received["model"] for received in gateway.providers.requests()} == {"gemini-2.0-flash", "gpt-4o"}


@pytest.mark.parametrize("config", CONFIGS)
def test_stopped_under_load_no_request_fails_and_soon_none_waits(config: str) -> None:
    with Gateway(config, values=HASTY) as gateway:
        with load(gateway) as answers:
            wait_for_more(answers, 20)
            gateway.signal_sidecar(signal.SIGSTOP)
            wait_for_more(answers, 150)
            gateway.signal_sidecar(signal.SIGCONT)
            gateway.wait_until_deciding()
        assert {answer.status_code for answer in answers} == {200}
        # Once the health check has seen it, Envoy asks no more: far fewer waited than were answered.
        assert 0 < gateway.stat("http.edge.ext_proc.sidecar.message_timeouts") < 100


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize(
    ("path", "fallback"), [("/v1/chat/completions", "gpt-4o"), ("/v1/messages", "claude-sonnet")]
)
def test_never_started_the_fallback_answers_and_it_is_counted(config: str, path: str, fallback: str) -> None:
    with Gateway(config, wait_for_sidecar=False) as gateway:
        answer = gateway.ask(path=path)
        assert (answer.status_code, answer.headers["x-llm-model"]) == (200, fallback)
        assert [received["model"] for received in gateway.providers.requests()] != ["auto"]
        assert gateway.stat("http.edge.ext_proc.sidecar.failure_mode_allowed") == 1


def test_without_a_sidecar_the_default_plan_still_fails_over() -> None:
    with Gateway(wait_for_sidecar=False) as gateway:
        gateway.providers.set_fault("503", model="gpt-4o")
        answer = gateway.ask()
        assert (answer.status_code, answer.headers["x-llm-model"]) == (200, "o3-mini")


def test_back_again_it_decides_again() -> None:
    with Gateway() as gateway:
        gateway.kill_sidecar()
        assert "x-llm-reason" not in gateway.ask().headers
        gateway.start_sidecar()
        gateway.wait_until_deciding()


def test_terminated_it_drains_without_losing_a_decision() -> None:
    with Gateway() as gateway:
        with load(gateway) as answers:
            wait_for_more(answers, 20)
            gateway.signal_sidecar(signal.SIGTERM)
            wait_for_more(answers, 200)
        assert {answer.status_code for answer in answers} == {200}
        # Envoy stopped asking before the socket was gone: no call was refused, reset or left without an answer.
        assert gateway.stat("http.edge.ext_proc.sidecar.message_timeouts") == 0
        assert gateway.stat("cluster.sidecar.upstream_rq_pending_failure_eject") == 0


def test_one_of_two_workers_killed_under_load_all_but_what_it_had_begun_is_still_decided() -> None:
    with Gateway(workers=2) as gateway:
        worker = gateway.worker_pids()[0]
        with load(gateway) as answers:
            wait_for_more(answers, 20)
            gateway.kill(worker)
            wait_for_more(answers, 100)
        assert {answer.status_code for answer in answers} == {200}
        # A thread waits for one decision at a time.
        assert sum("x-llm-reason" not in answer.headers for answer in answers) <= THREADS
