"""What the kernel knows of a process: the processor time it took and the memory it holds."""

import os
from pathlib import Path

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")

# proc(5): utime and stime are fields 14 and 15. The second is a name in brackets that may hold blanks, so fields are
# counted from the bracket's end.
_UTIME = 14 - 3


def cpu_seconds(pid: int) -> float:
    """User and system time of all its threads so far, in steps of a clock tick (10 ms). Raises OSError."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[_UTIME]) + int(fields[_UTIME + 1])) / _TICKS_PER_SECOND


def children(pid: int) -> list[int]:
    """The processes that it has started. Raises OSError."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def resident_mib(pid: int) -> float:
    """Resident memory of it and its children now, in MiB; what they share is counted once. Raises OSError."""
    return sum(_proportional_mib(each) for each in (pid, *children(pid)))


def _proportional_mib(pid: int) -> float:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    return 0.0  # a process that has just ended has no memory
