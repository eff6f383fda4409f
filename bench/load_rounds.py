"""Runs the variants in turn, round after round, and reduces what came back to a row for each."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from bench.figures import median
from bench.load_generator import Job, LoadGenerator, LoadResult
from bench.processes import cpu_seconds
from bench.sizes import Sizes
from bench.variants import Variant


@dataclass(frozen=True, slots=True)
class MeasuredRound:
    """One variant, once. `cpu`: processor seconds by process."""

    result: LoadResult
    cpu: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class LoadRow:
    """One variant at one concurrency: medians over rounds. Comparisons are made within each round."""

    variant: str
    concurrency: int
    rounds: int
    requests: int
    """Over all rounds, as are `statuses` and `reasons`."""
    p50_ms: float
    p99_ms: float
    requests_per_second: float
    added_p50_ms: float
    """Against the first variant, like the ratios."""
    p50_ratio: float
    p99_ratio: float
    rate_ratio: float
    cpu_us_per_request: dict[str, float]
    cpu_share: dict[str, float]
    """Of one processor, by process; the load generator is among them."""
    statuses: dict[str, int]
    reasons: dict[str, int]
    """By x-llm-reason; empty for answers that the sidecar had no part in."""


Rounds = dict[tuple[int, str], list[MeasuredRound]]


async def measure_load(variants: Sequence[Variant], sizes: Sizes, progress: Callable[[str], None]) -> list[LoadRow]:
    """A row for each concurrency and variant. Raises RuntimeError if a round cannot be run."""
    rounds: Rounds = {(concurrency, each.name): [] for concurrency in sizes.load_requests for each in variants}
    give_up = time.monotonic() + sizes.load_seconds
    async with LoadGenerator() as generator:
        await _run_round(generator, variants, sizes, 0)  # warm up: connections, caches, allocators
        for number in range(1, sizes.load_rounds + 1):
            if number > 1 and time.monotonic() > give_up:
                progress(f"time is up after {number - 1} of {sizes.load_rounds} rounds")
                break
            progress(f"load: round {number} of {sizes.load_rounds}")
            for key, measured in (await _run_round(generator, variants, sizes, number)).items():
                rounds[key].append(measured)
    return [
        _summarise(each.name, concurrency, rounds[concurrency, each.name], rounds[concurrency, variants[0].name])
        for concurrency in sizes.load_requests
        for each in variants
    ]


async def _run_round(
    generator: LoadGenerator, variants: Sequence[Variant], sizes: Sizes, number: int
) -> dict[tuple[int, str], MeasuredRound]:
    """Every variant at every concurrency; each round begins with another one."""
    first = number % len(variants)
    turn = [*variants[first:], *variants[:first]]
    return {
        (concurrency, variant.name): await _measure(generator, variant, concurrency, requests)
        for concurrency, requests in sizes.load_requests.items()
        for variant in turn
    }


async def _measure(generator: LoadGenerator, variant: Variant, concurrency: int, requests: int) -> MeasuredRound:
    bodies = [variant.make_body() for _ in range(requests)]
    before = {name: cpu_seconds(pid) for name, pid in variant.pids.items()}
    result = await generator.run(Job(variant.url, bodies, concurrency, dict(variant.headers)))
    return MeasuredRound(result, {name: cpu_seconds(pid) - before[name] for name, pid in variant.pids.items()})


def _summarise(
    variant: str, concurrency: int, rounds: Sequence[MeasuredRound], plain: Sequence[MeasuredRound]
) -> LoadRow:
    results = [each.result for each in rounds]
    pairs = [(mine.result, theirs.result) for mine, theirs in zip(rounds, plain, strict=True)]
    names = rounds[0].cpu
    return LoadRow(
        variant=variant,
        concurrency=concurrency,
        rounds=len(rounds),
        requests=sum(each.requests for each in results),
        p50_ms=median(each.p50_ms for each in results),
        p99_ms=median(each.p99_ms for each in results),
        requests_per_second=median(_rate(each) for each in results),
        added_p50_ms=median(mine.p50_ms - theirs.p50_ms for mine, theirs in pairs),
        p50_ratio=median(mine.p50_ms / theirs.p50_ms for mine, theirs in pairs),
        p99_ratio=median(mine.p99_ms / theirs.p99_ms for mine, theirs in pairs),
        rate_ratio=median(_rate(mine) / _rate(theirs) for mine, theirs in pairs),
        cpu_us_per_request={
            name: median(each.cpu[name] / each.result.requests for each in rounds) * 1e6 for name in names
        },
        cpu_share={name: median(each.cpu[name] / each.result.seconds for each in rounds) for name in names}
        | {"load": median(each.cpu_share for each in results)},
        statuses=_total(each.statuses for each in results),
        reasons=_total(each.reasons for each in results),
    )


def _rate(result: LoadResult) -> float:
    return result.requests / result.seconds


def _total(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for each in counts:
        total.update(each)
    return dict(total)
