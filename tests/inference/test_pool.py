"""A few threads, a short queue, and no waiting in vain for either."""

import asyncio
import threading
from functools import partial

import pytest

from sidecar.inference.pool import ClassifierPool
from sidecar.routing.classification import Classification, ClassifierFailedError, ClassifierOverloadedError
from tests.fakes.classifiers import classification

PATIENCE_SECONDS = 20


class GatedClassify:
    """Blocks the thread that it runs on until the gate opens; `fail` is refused then."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.prompts: list[str] = []
        self._started = threading.Semaphore(0)

    def __call__(self, prompt: str) -> Classification:
        self.prompts.append(prompt)
        self._started.release()
        assert self.gate.wait(PATIENCE_SECONDS)
        if prompt == "fail":
            raise ClassifierFailedError
        return classification()

    async def wait_until_started(self) -> None:
        """One more prompt is on a thread."""
        assert await asyncio.to_thread(self._started.acquire, timeout=PATIENCE_SECONDS)


async def _give_way() -> None:
    """Let callbacks run that are due."""
    for _ in range(3):
        await asyncio.sleep(0)


@pytest.mark.asyncio
async def test_beyond_threads_and_queue_a_prompt_is_refused_at_once() -> None:
    classify = GatedClassify()
    pool = ClassifierPool(threads=1, queue=2, deadline_seconds=60)
    waiting = [asyncio.create_task(pool.run(partial(classify, prompt))) for prompt in "abc"]
    await classify.wait_until_started()

    with pytest.raises(ClassifierOverloadedError):
        await pool.run(partial(classify, "d"))

    classify.gate.set()
    assert await asyncio.gather(*waiting) == [classification()] * 3
    assert classify.prompts == ["a", "b", "c"]
    pool.close()


@pytest.mark.asyncio
async def test_prompts_run_side_by_side_on_as_many_threads() -> None:
    classify = GatedClassify()
    pool = ClassifierPool(threads=3, queue=1, deadline_seconds=60)
    waiting = [asyncio.create_task(pool.run(partial(classify, prompt))) for prompt in "abc"]

    for _ in waiting:
        await classify.wait_until_started()

    classify.gate.set()
    await asyncio.gather(*waiting)
    pool.close()


@pytest.mark.asyncio
async def test_a_prompt_that_is_cancelled_while_it_waits_never_runs_and_makes_room() -> None:
    classify = GatedClassify()
    pool = ClassifierPool(threads=1, queue=1, deadline_seconds=60)
    running, waiting = (
        asyncio.create_task(pool.run(partial(classify, "runs"))),
        asyncio.create_task(pool.run(partial(classify, "waits"))),
    )
    await classify.wait_until_started()

    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await _give_way()
    later = asyncio.create_task(pool.run(partial(classify, "later")))
    await _give_way()

    classify.gate.set()
    await asyncio.gather(running, later)
    assert classify.prompts == ["runs", "later"]
    pool.close()


@pytest.mark.asyncio
async def test_a_prompt_that_is_cancelled_while_it_runs_holds_its_place_until_the_thread_is_free() -> None:
    classify = GatedClassify()
    pool = ClassifierPool(threads=1, queue=0, deadline_seconds=60)
    running = asyncio.create_task(pool.run(partial(classify, "late")))
    await classify.wait_until_started()

    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await _give_way()
    with pytest.raises(ClassifierOverloadedError):
        await pool.run(partial(classify, "next"))

    classify.gate.set()
    pool.close()  # the thread is done
    await _give_way()
    assert classify.prompts == ["late"]


@pytest.mark.asyncio
@pytest.mark.parametrize("prompt", ["fine", "fail"])
async def test_room_comes_back_after_every_answer(prompt: str) -> None:
    classify = GatedClassify()
    classify.gate.set()
    pool = ClassifierPool(threads=1, queue=0, deadline_seconds=60)

    for _ in range(5):
        (outcome,) = await asyncio.gather(pool.run(partial(classify, prompt)), return_exceptions=True)
        assert not isinstance(outcome, ClassifierOverloadedError)
        await _give_way()
    assert len(classify.prompts) == 5
    pool.close()


@pytest.mark.asyncio
async def test_an_error_is_raised_where_it_was_asked_for() -> None:
    classify = GatedClassify()
    classify.gate.set()
    pool = ClassifierPool(threads=1, queue=0, deadline_seconds=60)

    with pytest.raises(ClassifierFailedError):
        await pool.run(partial(classify, "fail"))
    pool.close()


@pytest.mark.asyncio
async def test_a_prompt_that_would_be_late_is_refused_at_once_but_never_while_a_thread_is_free() -> None:
    classify = GatedClassify()
    pool = ClassifierPool(threads=1, queue=64, deadline_seconds=1e-6)
    first = asyncio.create_task(pool.run(partial(classify, "teaches how long one takes")))
    await classify.wait_until_started()
    classify.gate.set()
    await first

    classify.gate.clear()
    await _give_way()
    running = asyncio.create_task(pool.run(partial(classify, "has the thread to itself")))
    await classify.wait_until_started()
    with pytest.raises(ClassifierOverloadedError):
        await pool.run(partial(classify, "would wait longer than the deadline"))

    classify.gate.set()
    assert await running == classification()
    pool.close()
