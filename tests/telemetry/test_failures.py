"""A broken classifier says why in the log, and does not flood it."""

import logging
from dataclasses import replace

import pytest

from sidecar.routing.classification import ClassifierFailedError, ClassifierTimeoutError
from sidecar.routing.reason import Reason
from sidecar.telemetry.failures import FailureLog
from tests.fakes.decisions import decided_without
from tests.fakes.exchanges import exchange
from tests.fakes.policies import ladder
from tests.fakes.requests import request


def test_why_it_failed_is_logged_once_in_a_while(caplog: pytest.LogCaptureFixture) -> None:
    log = FailureLog()
    asked = request("s3cret")
    failed = exchange(asked, decided_without(ladder(), asked, Reason.CLASSIFIER_FAILED))

    with caplog.at_level(logging.ERROR, "sidecar"):
        for _ in range(100):
            log.observe(replace(failed, failure=ClassifierFailedError("no such node")))

    assert [record.getMessage() for record in caplog.records] == [
        "the classifier failed (1 times since the last such line): no such node"
    ]
    assert "s3cret" not in caplog.text


def test_what_is_no_fault_of_the_classifier_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    asked = request()
    late = exchange(asked, decided_without(ladder(), asked, Reason.CLASSIFIER_TIMEOUT))

    FailureLog().observe(replace(late, failure=ClassifierTimeoutError()))
    FailureLog().observe(exchange(asked))

    assert caplog.records == []
