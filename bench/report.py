"""Everything that a run found out, as data."""

from dataclasses import dataclass
from pathlib import Path

import msgspec

from bench.decision import DecisionRow
from bench.footprint import Footprint
from bench.load_rounds import LoadRow
from bench.machine import Machine
from bench.signals import SignalsRow


@dataclass(frozen=True, slots=True)
class Report:
    """One run. `variants`: what each variant's name stands for. `seconds`: how long it took."""

    machine: Machine
    variants: dict[str, str]
    decision: list[DecisionRow]
    signals: list[SignalsRow]
    load: list[LoadRow]
    footprint: Footprint
    seconds: float


def write_json(report: Report, file: Path) -> None:
    """Raises OSError."""
    file.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n")
