"""Records of made-up traffic."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from sidecar.routing.outcome import Result
from sidecar.routing.request_record import RequestRecord
from tests.fakes.live_requests import Traffic, read_policy


@pytest.fixture(scope="session")
def records() -> Sequence[RequestRecord]:
    """A hundred, of which forty are not of plain successes."""
    traffic = Traffic(read_policy().policy)
    noon = datetime(2026, 3, 2, 12, tzinfo=UTC)
    made = [traffic.one(noon + timedelta(seconds=second)) for second in range(1_500)]
    others = [record for record in made if record.result is not Result.SUCCESS][:40]
    plain = [record for record in made if record.result is Result.SUCCESS][:60]
    return sorted([*others, *plain], key=lambda record: record.time)
