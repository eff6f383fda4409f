"""One whole run, part after part."""

import time
from collections.abc import Callable

from bench.decision import measure_decisions
from bench.footprint import measure_footprint
from bench.load_rounds import measure_load
from bench.machine import describe_machine
from bench.processes import resident_mib
from bench.prompts import PromptSource
from bench.report import Report
from bench.signals import measure_signals
from bench.sizes import Sizes
from bench.system import running_system
from bench.variants import build_variants


async def run_bench(sizes: Sizes, progress: Callable[[str], None]) -> Report:
    """Measure everything; `progress` is told what is done.

    Raises NotReadyError if a part does not start, RuntimeError if a round cannot be run.
    """
    started = time.monotonic()
    machine = describe_machine()
    source = PromptSource()
    progress("decision against raw inference")
    decision = await measure_decisions(sizes, source)
    progress("signals of texts of every kind")
    signals = measure_signals(sizes)
    progress("starting providers, sidecar and Envoy")
    async with running_system() as system:
        variants = build_variants(system, source)
        load = await measure_load(variants, sizes, progress)
        memory_mib = resident_mib(system.sidecar_pid)
    progress("starting the sidecar to time it")
    footprint = await measure_footprint(sizes.starts, memory_mib)
    return Report(
        machine=machine,
        variants={each.name: each.what for each in variants},
        decision=decision,
        signals=signals,
        load=load,
        footprint=footprint,
        seconds=round(time.monotonic() - started, 1),
    )
