"""Where a run took place and with what: without it no figure means anything."""

import os
import platform
import re
import subprocess
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from sidecar.demo.preflight import find_envoy
from sidecar.processors import available_processors

_PACKAGES = ("envoy-llm-sidecar", "onnxruntime", "tokenizers", "grpcio", "protobuf", "msgspec", "uvloop", "aiohttp")


@dataclass(frozen=True, slots=True)
class Machine:
    """One machine, as it is at the start of a run."""

    processor: str
    processors: int
    """As many as this process may use."""
    memory_gib: float
    system: str
    load_average: float
    """Over the last minute, before anything was started: above 0 somebody else is at work, too."""
    versions: dict[str, str]


def describe_machine() -> Machine:
    """This machine, and the versions that are installed."""
    return Machine(
        processor=_field("/proc/cpuinfo", "model name") or platform.machine(),
        processors=available_processors(),
        memory_gib=round(int(_field("/proc/meminfo", "MemTotal").split()[0]) / 2**20, 1),
        system=f"{platform.system()} {platform.release()}",
        load_average=round(os.getloadavg()[0], 2),
        versions={
            "python": platform.python_version(),
            "envoy": _envoy_version(),
            **{name: version(name) for name in _PACKAGES},
        },
    )


def _field(file: str, name: str) -> str:
    for line in Path(file).read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return ""


def _envoy_version() -> str:
    command = [str(find_envoy()), "--version"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603 - our own Envoy
    found = re.search(r"/(\d+\.\d+\.\d+)", printed)
    return found[1] if found else printed.strip()
