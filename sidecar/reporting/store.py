"""A log of any length as tables that can be asked: DuckDB, on disk, in a folder that is gone afterwards."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import msgspec

from sidecar.reporting.lines import Entries
from sidecar.routing.feedback import Feedback

Row = tuple[Any, ...]

# More of it is put on disk.
_MEMORY = "512MB"

# So many at once are worth a statement.
_BATCH = 50_000

_REQUEST_COLUMNS = {
    "time": "TIMESTAMPTZ",
    "result": "VARCHAR",
    "decision_id": "VARCHAR",
    "bypassed": "BOOLEAN",
    "tenant": "VARCHAR",
    "reason": "VARCHAR",
    "tier": "VARCHAR",
    "intent": "VARCHAR",
    "second": "VARCHAR",
    "confidence": "DOUBLE",
    "difficulty": "DOUBLE",
    "plan": "VARCHAR[]",
    "policy": "VARCHAR",
    "classifier": "VARCHAR",
    "cached": "BOOLEAN",
    "model": "VARCHAR",
    "attempts": "STRUCT(model VARCHAR, status INTEGER, error VARCHAR, cost DOUBLE)[]",
    "status": "INTEGER",
    "input_tokens": "BIGINT",
    "output_tokens": "BIGINT",
    "estimated": "BOOLEAN",
    "cost": "DOUBLE",
    "baseline_cost": "DOUBLE",
    "saving": "DOUBLE",
    "seconds": "DOUBLE",
    "first_byte_seconds": "DOUBLE",
    "parse_seconds": "DOUBLE",
    "classify_seconds": "DOUBLE",
    "decide_seconds": "DOUBLE",
    "text": "VARCHAR",
}

_FEEDBACK_COLUMNS = {
    "time": "VARCHAR",
    "decision_id": "VARCHAR",
    "score": "DOUBLE",
    "label": "VARCHAR",
    "comment": "VARCHAR",
}

# What is left out of a line is no or none.
_FLAGS = ("bypassed", "cached", "estimated")

# Of one request, the mean of all scores and the last label that somebody gave.
_JOIN = """
CREATE TABLE opinions AS
    SELECT decision_id, avg(score) AS score, arg_max(label, time) FILTER (label IS NOT NULL) AS label
    FROM feedback GROUP BY decision_id;
CREATE VIEW requests AS
    SELECT records.*, opinions.score, opinions.label
    FROM records LEFT JOIN opinions USING (decision_id);
"""


class Store:
    """Tables `requests` (a row a record, with `score` and `label` of its feedback, `first`, the model
    that was to be asked first, and `failed_over`) and `opinions`.
    """

    def __init__(self, folder: Path, threads: int) -> None:
        self._folder = folder
        self._connection = duckdb.connect(
            folder / "report.duckdb",
            config={
                "memory_limit": _MEMORY,
                "threads": threads,
                "temp_directory": str(folder / "spilled"),
                "preserve_insertion_order": False,
                "default_null_order": "nulls_last",
                "autoinstall_known_extensions": False,  # nothing is fetched
                "autoload_known_extensions": False,
            },
        )
        self._connection.execute("SET TimeZone = 'UTC'")
        columns = ", ".join(f"{name} {kind}" for name, kind in _REQUEST_COLUMNS.items() if name != "plan")
        self._connection.execute(f"CREATE TABLE records ({columns}, first VARCHAR, failed_over BOOLEAN)")
        self._connection.execute(
            f"CREATE TABLE feedback ({', '.join(f'{name} {kind}' for name, kind in _FEEDBACK_COLUMNS.items())})"
        )

    def fill(self, chunks: Iterable[Entries]) -> None:
        """Take all of them in, once."""
        records: list[Any] = []
        feedback: list[Feedback] = []
        for more_records, more_feedback in chunks:
            records += more_records
            feedback += more_feedback
            if len(records) + len(feedback) >= _BATCH:
                self._insert(records, feedback)
                records, feedback = [], []
        self._insert(records, feedback)
        self._connection.execute(_JOIN)

    def ask(self, query: str, *values: object) -> list[Row]:
        """All rows."""
        return self._connection.execute(query, values).fetchall()

    def one(self, query: str, *values: object) -> Row:
        """The only row."""
        (row,) = self.ask(query, *values)
        return row

    def each(self, query: str) -> Iterator[Row]:
        """As many rows as there are, some at a time."""
        cursor = self._connection.cursor().execute(query)
        while rows := cursor.fetchmany(_BATCH):
            yield from rows

    def close(self) -> None:
        """Before the folder goes."""
        self._connection.close()

    def _insert(self, records: Sequence[Any], feedback: Sequence[Feedback]) -> None:
        chosen = ", ".join(
            f"coalesce({name}, false)" if name in _FLAGS else name for name in _REQUEST_COLUMNS if name != "plan"
        )
        asked = "list_distinct(list_concat([plan[1], model], list_transform(attempts, lambda each: each.model)))"
        self._load(
            records,
            "records",
            _REQUEST_COLUMNS,
            f"{chosen}, coalesce(plan[1], attempts[1].model), coalesce(len({asked}) > 1, false)",
        )
        self._load(feedback, "feedback", _FEEDBACK_COLUMNS, "*")

    def _load(self, rows: Sequence[Any], table: str, columns: dict[str, str], chosen: str) -> None:
        if not rows:
            return
        batch = self._folder / "batch.json"
        batch.write_bytes(msgspec.json.Encoder().encode_lines(rows))
        read = f"read_json(?, format = 'newline_delimited', columns = {columns!r})"
        self._connection.execute(f"INSERT INTO {table} SELECT {chosen} FROM {read}", [str(batch)])  # noqa: S608  # ours


@contextmanager
def open_store(threads: int) -> Iterator[Store]:
    """For one report."""
    with TemporaryDirectory(prefix="sidecar-report-") as folder:
        store = Store(Path(folder), threads)
        try:
            yield store
        finally:
            store.close()
