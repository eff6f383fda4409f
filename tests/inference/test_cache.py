"""The same prompt is not read twice."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from sidecar.inference.cache import CachedClassifier, CacheSettings
from sidecar.routing.classification import Classification, ClassifierFailedError
from tests.fakes.classifiers import classification

ANSWER = classification("math", truncated=True)


class Reading:
    """Reads every prompt alike, at once, and remembers the prompts."""

    def __init__(self) -> None:
        self.prompts: list[str] = []

    def __call__(self, prompt: str) -> Classification:
        self.prompts.append(prompt)
        return ANSWER


async def at_once(classify: Callable[[], Classification]) -> Classification:
    """On the thread that asks."""
    return classify()


@pytest.mark.asyncio
async def test_a_second_answer_is_the_first_marked_as_cached() -> None:
    read = Reading()
    cached = CachedClassifier(read, at_once, CacheSettings())

    assert await cached.classify("2 + 2?") == ANSWER
    assert await cached.classify("2 + 2?") == replace(ANSWER, cached=True)
    assert await cached.classify("2 + 2?") == replace(ANSWER, cached=True)
    assert read.prompts == ["2 + 2?"]
    assert (cached.hits, cached.misses) == (2, 1)


ODD_PAIRS = [("a", "A"), ("a", "a "), ("", " "), ("\ud83d", "\ufffd"), ("é", "e\u0301")]


@pytest.mark.asyncio
@pytest.mark.parametrize(("one", "other"), ODD_PAIRS)
async def test_prompts_that_differ_are_read_apart(one: str, other: str) -> None:
    read = Reading()
    cached = CachedClassifier(read, at_once, CacheSettings())

    await cached.classify(one)
    await cached.classify(other)

    assert read.prompts == [one, other]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("one", "other", "is_one"),
    [
        ("What is 2 + 2?", "what is  2 + 2", True),
        ("HI THERE!", "hi there", True),
        ("é", "e\u0301", True),
        ("What is 2 + 2?", "What is 2 + 3?", False),
        ("don't", "do it", False),
        ("no", "now", False),
        # of signs alone nothing would be left
        ("+++", "---", False),
        # a document is not looked at character by character
        ("word " * 2_000, "Word " * 2_000, True),
        ("word " * 2_001, "Word " * 2_001, False),
    ],
)
async def test_near_duplicates_are_one_only_if_they_shall_be(one: str, other: str, is_one: bool) -> None:
    for near_duplicates in (True, False):
        read = Reading()
        cached = CachedClassifier(read, at_once, CacheSettings(near_duplicates=near_duplicates))

        await cached.classify(one)
        await cached.classify(other)

        assert (read.prompts == [one]) is (is_one and near_duplicates)


@pytest.mark.asyncio
@pytest.mark.parametrize("across_tenants", [True, False])
async def test_what_one_tenant_asked_is_not_recognised_in_another_unless_it_may_be(across_tenants: bool) -> None:
    read = Reading()
    cached = CachedClassifier(read, at_once, CacheSettings(across_tenants=across_tenants))

    for owner in ("acme", "globex", "", "acme"):
        await cached.classify("2 + 2?", owner)

    assert len(read.prompts) == (1 if across_tenants else 3)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("asked", "again"),
    [
        ("abc", ""),
        ("abcd", "a"),
        ("abcad", "b"),  # `a` was used after `b`
        ("abcabcabc", ""),
        ("abcdefg", "abcd"),
    ],
)
async def test_of_three_entries_the_one_used_longest_ago_goes_first(asked: str, again: str) -> None:
    read = Reading()
    cached = CachedClassifier(read, at_once, CacheSettings(max_entries=3))
    for prompt in asked:
        await cached.classify(prompt)
    read.prompts.clear()

    known = [prompt for prompt in dict.fromkeys(asked) if prompt not in again]
    for prompt in known:
        assert (await cached.classify(prompt)).cached
    assert read.prompts == []
    for prompt in again:
        assert not (await cached.classify(prompt)).cached


@pytest.mark.asyncio
async def test_without_entries_nothing_is_remembered() -> None:
    read = Reading()
    cached = CachedClassifier(read, at_once, CacheSettings(max_entries=0))

    assert [await cached.classify("hi") for _ in range(2)] == [ANSWER, ANSWER]


@pytest.mark.asyncio
async def test_errors_are_not_remembered() -> None:
    asked = []

    def fail(prompt: str) -> Classification:
        asked.append(prompt)
        raise ClassifierFailedError

    cached = CachedClassifier(fail, at_once, CacheSettings())

    for _ in range(3):
        with pytest.raises(ClassifierFailedError):
            await cached.classify("hi")

    assert len(asked) == 3


@pytest.mark.asyncio
async def test_an_answer_that_came_too_late_is_there_for_the_next_request() -> None:
    started: list[Callable[[], Classification]] = []

    async def later(classify: Callable[[], Classification]) -> Classification:
        started.append(classify)
        return await asyncio.get_running_loop().create_future()  # type: ignore[no-any-return]

    cached = CachedClassifier(Reading(), later, CacheSettings())
    waiting = asyncio.create_task(cached.classify("hi"))
    await asyncio.sleep(0)
    waiting.cancel()

    started[0]()

    assert (await cached.classify("hi")).cached
