"""From a worker's observer to the collector's callbacks, over a real socket pair."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from sidecar.notices.channel import open_channel
from sidecar.notices.receiver import NoticeReceiver
from sidecar.notices.sender import NoticeSender, WorkerState
from sidecar.routing.notice import DecisionNotice, WorkerNotice
from sidecar.routing.rejection import invalid_request
from tests.fakes.exchanges import exchange

PATIENCE_SECONDS = 20


class Ends:
    """Both ends, and what arrived."""

    def __init__(self) -> None:
        self.sending, self.receiving = open_channel()
        self.state = WorkerState(None, policy="ab12", classifier="1", waiting=3, cache_entries=4)
        self.sample: Callable[[str, str], str | None] = lambda _id, _prompt: None
        self.sender = NoticeSender(self.sending, 1, lambda: self.state, self._sample_now)
        self.decisions: list[DecisionNotice] = []
        self.workers: list[WorkerNotice] = []
        self.receiver = NoticeReceiver(self.receiving, self.decisions.append, self.workers.append)

    def _sample_now(self, decision_id: str, prompt: str) -> str | None:
        return self.sample(decision_id, prompt)

    def read(self) -> None:
        """All that is there."""
        self.receiver.start()
        self.receiver.stop()

    def close(self) -> None:
        self.sending.close()
        self.receiving.close()


@pytest.fixture
def ends() -> Iterator[Ends]:
    both = Ends()
    yield both
    both.close()


@pytest.mark.asyncio
async def test_a_decision_arrives_with_its_record_and_without_its_prompt(ends: Ends) -> None:
    decided = exchange(decision_id="a" * 32, parse_seconds=0.25)

    ends.sender.observe(decided)
    ends.read()

    (notice,) = ends.decisions
    assert (notice.worker, notice.sequence, notice.decision_id) == (1, 0, "a" * 32)
    assert (notice.record, notice.endpoint, notice.parse_seconds) == (decided.record, decided.endpoint, 0.25)
    assert (notice.prompt, notice.error, ends.receiver.lost) == (None, None, 0)


@pytest.mark.asyncio
async def test_a_rejection_says_what_the_client_was_told(ends: Ends) -> None:

    ends.sender.observe(exchange(result=invalid_request("model: missing")))
    ends.read()

    assert ends.decisions[0].error == "model: missing"


@pytest.mark.asyncio
async def test_a_sampled_prompt_is_what_the_sampler_makes_of_it(ends: Ends) -> None:
    ends.sample = lambda decision_id, prompt: f"{decision_id}:{len(prompt)}"
    decided = exchange()

    ends.sender.observe(decided)
    ends.read()

    assert decided.request is not None
    assert ends.decisions[0].prompt == f"d1:{len(decided.request.prompt)}"


@pytest.mark.asyncio
async def test_a_worker_tells_how_it_is_and_what_a_reload_came_to(ends: Ends) -> None:

    ends.sender.tell()
    ends.state = replace(ends.state, why_not_ready="draining")
    ends.sender.observe_reload("ab12", succeeded=False)
    ends.sender.tell()
    ends.sender.observe_reload("cd34", succeeded=True)
    ends.read()

    first, second, third, fourth = ends.workers
    assert (first.why_not_ready, first.policy, first.waiting, first.cache_entries, first.reload) == (
        None,
        "ab12",
        3,
        4,
        None,
    )
    assert (second.why_not_ready, second.reload) == ("draining", "failed")
    assert (third.reload, fourth.reload) == (None, "ok")
    failed = [notice.has_failed_to_reload for notice in ends.workers]
    assert failed == [False, True, True, False]


@pytest.mark.asyncio
async def test_what_finds_no_room_is_kept_then_lost_and_the_loss_is_known(ends: Ends) -> None:
    """Nobody reads: the socket's buffer fills, then the sender's own; no call waits."""
    decided = exchange()

    for _ in range(20_000):
        ends.sender.observe(decided)
    ends.receiver.start()
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not ends.workers:
            ends.sender.tell()
            await asyncio.sleep(0)

    last = ends.workers[-1]
    assert ends.receiver.lost == last.lost > 0
    assert len(ends.decisions) + len(ends.workers) + last.lost == last.sequence + 1
    ends.receiver.stop()


@pytest.mark.asyncio
async def test_a_notice_beyond_all_bounds_is_lost_and_the_next_one_is_not(ends: Ends) -> None:

    ends.sender.observe(exchange(record=b"x" * 1_000_000))
    ends.sender.observe(exchange())
    ends.sender.tell()
    ends.read()

    assert (len(ends.decisions), ends.workers[0].lost) == (1, 1)


@pytest.mark.asyncio
async def test_a_worker_that_was_started_again_counts_from_the_beginning(ends: Ends) -> None:
    again = NoticeSender(ends.sending, 1, lambda: ends.state, lambda _id, _prompt: None)

    for sender in (ends.sender, ends.sender, again, again):
        sender.tell()
    ends.read()

    assert ([notice.sequence for notice in ends.workers], ends.receiver.lost) == ([0, 1, 0, 1], 0)


@pytest.mark.asyncio
async def test_garbage_is_counted_and_does_no_harm(ends: Ends, caplog: pytest.LogCaptureFixture) -> None:

    ends.sending.send(b"\xc1 no notice")
    ends.sender.tell()
    ends.read()

    assert (ends.receiver.lost, len(ends.workers)) == (1, 1)
    assert "a notice that is none" in caplog.text


@pytest.mark.asyncio
async def test_with_nobody_left_to_listen_a_worker_goes_on(ends: Ends) -> None:
    ends.receiving.close()

    ends.sender.observe(exchange())
    ends.sender.tell()

    ends.sending.close()
