"""How many processors this process may use: those of its affinity mask, within the limit of its control groups."""

import math
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

_UNIFIED = ""
"""What /proc/PID/cgroup names as controllers of cgroup v2's one tree."""


def available_processors(root: Path = Path("/")) -> int:
    """How many threads can really run at once, at least 1; a limit of 1.5 processors lets two run.

    `root`: where `proc` and `sys` are.
    """
    processors, limit = len(os.sched_getaffinity(0)), processor_limit(root)
    return processors if limit is None else max(1, min(processors, math.ceil(limit)))


def processor_limit(root: Path = Path("/")) -> float | None:
    """The processors that the control groups grant, as a container's CPU limit; None without a limit.

    A group is held to the limits of those above it, too: a container's to its pod's.
    """
    return min(_limits(root), default=None)


def _limits(root: Path) -> Iterator[float]:
    hierarchies = root / "sys/fs/cgroup"
    for controllers, group in _groups(root / "proc/self/cgroup"):
        if controllers == _UNIFIED:
            mounts, read = [hierarchies, hierarchies / "unified"], _read_v2
        elif "cpu" in controllers.split(","):
            mounts, read = [hierarchies / name for name in dict.fromkeys((controllers, "cpu"))], _read_v1
        else:
            continue
        # A container may see its own group as the top of the tree, and yet be told the path that the host sees.
        for folder in [mount / above for mount in mounts for above in (group, *group.parents)]:
            limit = read(folder)
            if limit is not None:
                yield limit


def _groups(file: Path) -> Iterator[tuple[str, PurePosixPath]]:
    """Controllers and relative path of each group that this process is in; see cgroups(7)."""
    try:
        lines = file.read_text().splitlines()
    except OSError:  # not Linux, or nothing is mounted
        return
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        # `..` is a group outside of what this process sees.
        yield controllers, PurePosixPath(*(part for part in path.split("/") if part not in ("", "..")))


def _read_v2(folder: Path) -> float | None:
    """`200000 100000` is two processors, `max 100000` no limit."""
    try:
        quota, period = (folder / "cpu.max").read_text().split()
        return int(quota) / int(period)
    except (OSError, ValueError):
        return None


def _read_v1(folder: Path) -> float | None:
    """A quota of -1 is no limit."""
    try:
        quota = int((folder / "cpu.cfs_quota_us").read_text())
        return quota / int((folder / "cpu.cfs_period_us").read_text()) if quota > 0 else None
    except (OSError, ValueError):
        return None
