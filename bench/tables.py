"""The report for people: tables of plain text."""

from collections.abc import Iterator, Sequence

from bench.decision import DecisionRow
from bench.footprint import Footprint
from bench.load_rounds import LoadRow
from bench.machine import Machine
from bench.report import Report
from bench.signals import TEXT_BYTES, SignalsRow

# A process that takes more than this of one processor is what a round waits for.
_BUSY_SHARE = 0.85

_STAGES = ("parse", "classify", "rest")


def render(report: Report) -> str:
    """All tables, and the machine on top."""
    sections = (
        _machine(report.machine),
        _decision(report.decision),
        _signals(report.signals),
        _load(report.load, report.variants),
        _cpu(report.load),
        _answers(report.load),
        _footprint(report.footprint),
        [f"measured in {report.seconds:.0f} s"],
    )
    return "\n\n".join("\n".join(lines) for lines in sections) + "\n"


def _machine(machine: Machine) -> Iterator[str]:
    yield (
        f"{machine.processor}, {machine.processors} processors, {machine.memory_gib} GiB, {machine.system}, "
        f"load {machine.load_average} before the start"
    )
    yield ", ".join(f"{name} {version}" for name, version in machine.versions.items())


def _decision(rows: Sequence[DecisionRow]) -> Iterator[str]:
    yield "Decision against raw ONNX Runtime on the same tokens (p50, one at a time). Goal: at most 1.5 x raw + 1 ms"
    yield from _table(
        (
            "tokens",
            "raw ms",
            "decision ms",
            "ratio",
            "added ms",
            "goal ms",
            "reached",
            "late",
            "parse",
            "classify",
            "rest",
        ),
        [
            (
                f"{row.tokens}{' (cut)' if row.is_truncated else ''}",
                f"{row.raw_ms:.2f}",
                f"{row.decision_ms:.2f}",
                f"{row.ratio:.2f}",
                f"{row.added_ms:.2f}",
                f"{row.goal_ms:.2f}",
                "yes" if row.decision_ms <= row.goal_ms else "no",
                f"{row.fallbacks}/{row.prompts}",
                f"{row.parse_ms:.2f}",
                f"{row.classify_ms:.2f}",
                f"{row.rest_ms:.2f}",
            )
            for row in rows
        ],
    )
    yield "late: missed the deadline; parse, classify and rest are stages of the decision, in ms"


def _signals(rows: Sequence[SignalsRow]) -> Iterator[str]:
    worst = max(rows, key=lambda row: row.ms)
    yield (
        f"signals at {TEXT_BYTES / 1000:.0f} kB, worst of {len(rows)} texts: {worst.ms:.2f} ms of the processor "
        f"({worst.text}). Goal: 1 ms"
    )


def _load(rows: Sequence[LoadRow], variants: dict[str, str]) -> Iterator[str]:
    yield "Through the real Envoy, closed loop; ratios against plain Envoy within each round"
    yield from _table(
        ("at once", "variant", "p50 ms", "p99 ms", "req/s", "added p50 ms", "x p50", "x p99", "x req/s"),
        [
            (
                str(row.concurrency),
                row.variant,
                f"{row.p50_ms:.2f}",
                f"{row.p99_ms:.2f}",
                f"{row.requests_per_second:.0f}",
                f"{row.added_p50_ms:.2f}",
                f"{row.p50_ratio:.2f}",
                f"{row.p99_ratio:.2f}",
                f"{row.rate_ratio:.2f}",
            )
            for row in rows
        ],
    )
    yield from (f"{name}: {what}" for name, what in variants.items())


def _cpu(rows: Sequence[LoadRow]) -> Iterator[str]:
    names = list(dict.fromkeys(name for row in rows for name in row.cpu_us_per_request))
    sharers = (*names, "load")
    yield "Processor time per request in µs, and each process's share of one processor in %"
    yield from _table(
        ("at once", "variant", *(f"{name} µs" for name in names), *(f"{name} %" for name in sharers), "all %"),
        [
            (
                str(row.concurrency),
                row.variant,
                *(_whole(row.cpu_us_per_request.get(name)) for name in names),
                *(_whole(row.cpu_share.get(name), 100) for name in sharers),
                _whole(sum(row.cpu_share.values()), 100),
            )
            for row in rows
        ],
    )
    for row in rows:
        for name in ("providers", "load"):
            if row.cpu_share.get(name, 0) > _BUSY_SHARE:
                yield f"note: {row.variant} at {row.concurrency} at once waits for {name}, not for what is measured"


def _answers(rows: Sequence[LoadRow]) -> Iterator[str]:
    yield "What became of the requests: status, and x-llm-reason"
    yield from _table(
        ("at once", "variant", "requests", "status", "reason"),
        [
            (
                str(row.concurrency),
                row.variant,
                str(row.requests),
                _shares(row.statuses, row.requests),
                _shares(row.reasons, row.requests),
            )
            for row in rows
        ],
    )
    yield "classifier_timeout, classifier_overloaded: it could not keep up, so the fallback answered, as designed"
    yield "none: nothing decided (plain Envoy; or Envoy waited message_timeout for the sidecar and went on without)"


def _footprint(footprint: Footprint) -> Iterator[str]:
    yield f"Sidecar (median of {footprint.starts} starts). Goals: ready in 2 s, 220 MiB"
    yield (
        f"ready in {footprint.ready_seconds:.2f} s, of which the model {footprint.model_load_ms:.0f} ms; "
        f"resident {footprint.resident_mib_when_ready:.0f} MiB when ready, "
        f"{footprint.resident_mib_after_load:.0f} MiB after the load"
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Columns as wide as they need to be; names to the left, figures to the right."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    for row in (head, ["-" * width for width in widths], *rows):
        yield "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _whole(value: float | None, factor: float = 1) -> str:
    return "-" if value is None else f"{value * factor:.0f}"


def _shares(counts: dict[str, int], total: int) -> str:
    ordered = sorted(counts.items(), key=lambda pair: -pair[1])
    return ", ".join(f"{name or 'none'} {count / total:.1%}" for name, count in ordered)
