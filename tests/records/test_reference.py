"""The documented schema is that of the code, and records are what it says."""

import re
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from jsonschema import Draft202012Validator, ValidationError

from sidecar.records.entry import entry_line
from sidecar.records.reference import record_schema, render_reference, render_schema, renew
from sidecar.routing.feedback import Feedback
from sidecar.routing.recorded import read_record
from sidecar.routing.request_record import AttemptRecord, RequestRecord, write_line

DOCS = Path(__file__).parents[2] / "docs"

VALIDATOR = Draft202012Validator(record_schema())


def test_the_schema_in_the_docs_is_that_of_the_code() -> None:
    """`python -m sidecar.records.reference docs` renews both."""
    assert (DOCS / "record.schema.json").read_text() == render_schema()


def test_the_reference_in_the_docs_is_that_of_the_code() -> None:
    page = (DOCS / "records.md").read_text()

    assert renew(page) == page


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(record_schema())


def test_every_field_says_what_it_is() -> None:
    said = render_reference()

    for kind in (RequestRecord, AttemptRecord):
        for field in kind.__struct_fields__:
            assert re.search(rf"^\| `{field}` \| .+ \| .+ \|$", said, re.MULTILINE), field


def test_records_are_what_the_schema_says(records: Sequence[RequestRecord]) -> None:
    with_text = msgspec.structs.replace(records[0], text="hi")

    for record in [*records, with_text]:
        VALIDATOR.validate(msgspec.json.decode(write_line(record)))
    assert {record.result.value for record in records} >= {"success", "failed", "rejected", "cancelled"}


def test_feedback_is_what_the_schema_says() -> None:
    line = entry_line(Feedback("2026-03-02T12:00:00.000000Z", "id-1", label="math"))

    VALIDATOR.validate(msgspec.json.decode(line))


@pytest.mark.parametrize("change", [{"time": 7}, {"result": "fine"}, {"cost": "1"}, {"record": {}}, {"plan": None}])
def test_what_is_no_record_is_told(records: Sequence[RequestRecord], change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        VALIDATOR.validate(msgspec.json.decode(write_line(records[0])) | change)


def test_the_example_in_the_docs_is_a_record() -> None:
    page = (DOCS / "records.md").read_text()
    request, feedback = re.findall(r"```json\n(.*?)```", page, re.DOTALL)

    VALIDATOR.validate(msgspec.json.decode(request))
    VALIDATOR.validate(msgspec.json.decode(feedback))
    assert read_record(msgspec.json.encode(msgspec.json.decode(request)["record"])).plan
