"""The bench measures what it says; how fast anything is, no test asks."""

import json
from pathlib import Path

import pytest
import uvloop

from bench.closed_loop import read_answer
from bench.envoys import without_sidecar
from bench.figures import percentile
from bench.prompts import PromptSource
from bench.report import Report, write_json
from bench.run import run_bench
from bench.signal_texts import make_texts
from bench.signals import TEXT_BYTES
from bench.sizes import Sizes
from bench.tables import render

SMALLEST = Sizes(
    decision_rounds=1,
    decision_prompts=2,
    signal_readings=1,
    load_rounds=1,
    load_requests={1: 3, 4: 12},
    load_seconds=10,
    starts=1,
)


@pytest.fixture(scope="module")
def report() -> Report:
    """The smallest possible run, from end to end."""
    return uvloop.run(run_bench(SMALLEST, lambda line: None))


def test_every_variant_is_measured_at_every_concurrency(report: Report) -> None:
    measured = [(row.concurrency, row.variant) for row in report.load]
    assert measured == [(concurrency, name) for concurrency in SMALLEST.load_requests for name in report.variants]


def test_every_request_is_answered_and_counted_once(report: Report) -> None:
    for row in report.load:
        assert row.statuses == {"200": row.requests}, row
        assert row.requests == SMALLEST.load_requests[row.concurrency] * row.rounds
        assert sum(row.reasons.values()) == row.requests


def test_plain_envoy_decides_nothing(report: Report) -> None:
    for row in report.load:
        if row.variant == "plain":
            assert row.reasons == {"": row.requests}
            assert (row.p50_ratio, row.rate_ratio, row.added_p50_ms) == (1, 1, 0)
            assert "worker" not in row.cpu_us_per_request


def test_a_percentile_is_never_above_a_higher_one(report: Report) -> None:
    assert all(0 < row.p50_ms <= row.p99_ms for row in report.load)


def test_every_length_is_decided_and_only_the_last_is_cut(report: Report) -> None:
    assert [row.is_truncated for row in report.decision] == [False, False, False, False, True]
    tokens = [row.tokens for row in report.decision]
    assert tokens == sorted(tokens)
    assert all(row.prompts == SMALLEST.decision_rounds * SMALLEST.decision_prompts for row in report.decision)
    assert all(row.raw_ms > 0 and row.decision_ms > 0 for row in report.decision)


def test_signals_are_read_of_texts_of_one_size_and_every_kind(report: Report) -> None:
    texts = dict(make_texts(TEXT_BYTES))
    assert [row.text for row in report.signals] == list(texts)
    assert all(TEXT_BYTES - 3 <= len(text.encode()) <= TEXT_BYTES for text in texts.values())
    assert all(row.ms > 0 and row.readings == SMALLEST.signal_readings for row in report.signals)
    assert f"worst of {len(texts)} texts" in render(report)


def test_the_sidecar_starts_and_holds_memory(report: Report) -> None:
    footprint = report.footprint
    assert footprint.ready_seconds > 0
    assert footprint.resident_mib_when_ready > 0 and footprint.resident_mib_after_load > 0


def test_the_tables_name_every_variant(report: Report) -> None:
    text = render(report)
    assert all(f"{name}: {what}" in text for name, what in report.variants.items())
    assert report.machine.versions["envoy"] in text


def test_the_json_holds_the_whole_report(report: Report, tmp_path: Path) -> None:
    write_json(report, tmp_path / "report.json")
    written = json.loads((tmp_path / "report.json").read_text())
    assert set(written) == {"machine", "variants", "decision", "signals", "load", "footprint", "seconds"}
    assert len(written["load"]) == len(report.load)


@pytest.mark.parametrize(
    ("received", "answer"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", (200, "")),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx-llm-reason: pinned\r\n\r\n{}", (200, "pinned")),
        (b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n", (503, "")),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", (200, "")),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n", None),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{", None),
        (b"HTTP/1.1 200 OK\r\ncontent-le", None),
    ],
)
def test_an_answer_counts_when_all_of_it_is_there(received: bytes, answer: tuple[int, str] | None) -> None:
    assert read_answer(received) == answer


@pytest.mark.parametrize(("percent", "value"), [(0, 1), (25, 1), (50, 2), (51, 3), (99, 4), (100, 4)])
def test_a_percentile_is_a_value_that_was_measured(percent: float, value: float) -> None:
    assert percentile([4, 1, 3, 2], percent) == value


def test_no_prompt_is_made_twice_and_every_run_makes_the_same() -> None:
    source = PromptSource()
    prompts = [source.make(16) for _ in range(2000)]
    assert len(set(prompts)) == 2000
    again = PromptSource()
    assert [again.make(16) for _ in range(2000)] == prompts


def test_plain_envoy_has_no_trace_of_the_sidecar() -> None:
    names = ["ext_proc", "ai_protocol_manager", "header_to_metadata", "router"]
    filters = [{"name": f"envoy.filters.http.{name}"} for name in names]
    logs = [{"name": "envoy.access_loggers.stdout"}, {"name": "envoy.access_loggers.http_grpc"}]
    route = {"match": {}, "typed_per_filter_config": {"envoy.filters.http.ext_proc": {"disabled": True}}}
    clusters = [{"name": "sidecar"}, {"name": "outcomes"}, {"name": "otlp"}]
    assert without_sidecar({"log": logs, "filters": filters, "routes": [route], "clusters": clusters}) == {
        "log": [{"name": "envoy.access_loggers.stdout"}],
        "filters": [{"name": "envoy.filters.http.router"}],
        "routes": [{"match": {}, "typed_per_filter_config": {}}],
        "clusters": [{"name": "otlp"}],
    }
