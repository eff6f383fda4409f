"""The same prompt is not read twice."""

from dataclasses import replace

import pytest

from sidecar.inference.cache import CachedClassifier
from sidecar.routing.classification import ClassifierFailedError
from tests.fakes.classifiers import AnsweringClassifier, FailingClassifier, classification

ANSWER = classification("math", truncated=True)


@pytest.mark.asyncio
async def test_a_second_answer_is_the_first_marked_as_cached() -> None:
    classifier = AnsweringClassifier(ANSWER)
    cached = CachedClassifier(classifier, 10)

    assert await cached.classify("2 + 2?") == ANSWER
    assert await cached.classify("2 + 2?") == replace(ANSWER, cached=True)
    assert await cached.classify("2 + 2?") == replace(ANSWER, cached=True)
    assert classifier.prompts == ["2 + 2?"]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("one", "other"),
    [("a", "A"), ("a", "a "), ("", " "), ("\ud83d", "\ufffd"), ("é", "e\u0301")],
)
async def test_prompts_that_differ_are_asked_apart(one: str, other: str) -> None:
    classifier = AnsweringClassifier()
    cached = CachedClassifier(classifier, 10)

    await cached.classify(one)
    await cached.classify(other)

    assert classifier.prompts == [one, other]


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
    classifier = AnsweringClassifier()
    cached = CachedClassifier(classifier, 3)
    for prompt in asked:
        await cached.classify(prompt)
    classifier.prompts.clear()

    known = [prompt for prompt in dict.fromkeys(asked) if prompt not in again]
    for prompt in known:
        assert (await cached.classify(prompt)).cached
    assert classifier.prompts == []
    for prompt in again:
        assert not (await cached.classify(prompt)).cached


@pytest.mark.asyncio
async def test_errors_are_not_remembered() -> None:
    classifier = FailingClassifier(ClassifierFailedError())
    cached = CachedClassifier(classifier, 10)

    for _ in range(3):
        with pytest.raises(ClassifierFailedError):
            await cached.classify("hi")

    assert classifier.asked == 3
