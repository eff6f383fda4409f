"""Routers that need no model."""

from collections.abc import Callable

from sidecar.routing.classification import Classifier, ExampleMatcher
from sidecar.routing.policy import Policy
from sidecar.routing.router import Router, Routers
from tests.fakes.classifiers import AnsweringClassifier
from tests.fakes.decisions import NoExamples
from tests.fakes.policies import ladder

AMPLE_SECONDS = 60.0


def make_router(
    policy: Policy | None = None,
    classifier: Classifier | None = None,
    *,
    matcher: ExampleMatcher | None = None,
    deadline_seconds: float = AMPLE_SECONDS,
) -> Router:
    """By the ladder; it takes every prompt for easy chat, and waits as long as a classifier takes."""
    return Router(
        policy or ladder(),
        classifier or AnsweringClassifier(),
        matcher or NoExamples(),
        deadline_seconds=deadline_seconds,
        classifier_version="model-7",
    )


def always(active: Router, *shadows: Router) -> Callable[[], Routers]:
    """The same at every moment."""
    routers = Routers(active, shadows)
    return lambda: routers
