"""The processors that a process may use, by its affinity mask and by folders that look like control groups."""

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from sidecar.processors import available_processors, processor_limit

POD = "/kubepods.slice/kubepods-pod1.slice"
V1 = "12:pids:/x\n4:cpu,cpuacct:{group}\n1:name=systemd:/x\n"


def machine(root: Path, groups: str, files: Mapping[str, str]) -> Path:
    """`groups`: /proc/self/cgroup; `files`: below /sys/fs/cgroup."""
    for name, text in {"proc/self/cgroup": groups, **{f"sys/fs/cgroup/{it}": files[it] for it in files}}.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return root


def quota(folder: str, quota: int, period: int = 100000) -> dict[str, str]:
    """The two files of cgroup v1."""
    return {f"{folder}/cpu.cfs_quota_us": f"{quota}\n", f"{folder}/cpu.cfs_period_us": f"{period}\n"}


MACHINES = {
    "v2, a container that sees its own group": ("0::/\n", {"cpu.max": "200000 100000\n"}, 2.0),
    "v2, half a processor": ("0::/\n", {"cpu.max": "50000 100000\n"}, 0.5),
    "v2, another period": ("0::/\n", {"cpu.max": "30000 20000\n"}, 1.5),
    "v2, no limit": ("0::/\n", {"cpu.max": "max 100000\n"}, None),
    "v2, the top of a host has no such file": ("0::/init.scope\n", {"init.scope/cpu.max": "max 100000\n"}, None),
    "v2, the pod has less than the container": (
        f"0::{POD}/container.scope\n",
        {f"{POD}/container.scope/cpu.max": "400000 100000", f"{POD}/cpu.max": "150000 100000"},
        1.5,
    ),
    "v2, the container has less than the pod": (
        f"0::{POD}/container.scope\n",
        {f"{POD}/container.scope/cpu.max": "100000 100000", f"{POD}/cpu.max": "150000 100000"},
        1.0,
    ),
    "v2, only the pod has one": (
        f"0::{POD}/container.scope\n",
        {f"{POD}/container.scope/cpu.max": "max 100000", f"{POD}/cpu.max": "150000 100000"},
        1.5,
    ),
    "v2, the host's path, and the own group at the top": (f"0::{POD}/a\n", {"cpu.max": "300000 100000"}, 3.0),
    "v2, a path from outside": ("0::/../../other\n", {"other/cpu.max": "100000 100000"}, 1.0),
    "v2, a period of 0": ("0::/\n", {"cpu.max": "max 0\n"}, None),
    "v2, what nobody understands": ("0::/\n", {"cpu.max": "what 1\n"}, None),
    "v2, nothing": ("0::/\n", {"cpu.max": ""}, None),
    "v1": (V1.format(group="/docker/1"), quota("cpu,cpuacct/docker/1", 250000), 2.5),
    "v1, the controller's own name": (V1.format(group="/docker/1"), quota("cpu/docker/1", 250000), 2.5),
    "v1, the host's path, and the own group at the top": (V1.format(group=POD), quota("cpu,cpuacct", 100000), 1.0),
    "v1, no limit": (V1.format(group="/"), quota("cpu", -1), None),
    "v1, the pod has less": (
        V1.format(group=f"{POD}/a"),
        quota(f"cpu{POD}/a", 400000) | quota(f"cpu{POD}", 120000),
        1.2,
    ),
    "v1, with v2's tree beside it": (
        V1.format(group="/a") + "0::/a\n",
        quota("cpu/a", 100000) | {"unified/a/cgroup.procs": "1\n"},
        1.0,
    ),
    "v1, of a controller that is not cpu": ("3:cpuset:/a\n", quota("cpu/a", 100000), None),
    "no control groups": ("", {}, None),
}


@pytest.mark.parametrize("name", MACHINES)
def test_the_limit_is_the_least_of_all_groups_that_the_process_is_in(name: str, tmp_path: Path) -> None:
    groups, files, limit = MACHINES[name]

    assert processor_limit(machine(tmp_path, groups, files)) == limit


def test_without_proc_there_is_no_limit(tmp_path: Path) -> None:
    assert processor_limit(tmp_path) is None


@pytest.mark.parametrize(
    ("quota", "granted"), [("1000", 1), ("99000", 1), ("100000", 1), ("100001", 2), ("max", 999), ("99900000", 999)]
)
def test_part_of_a_processor_lets_one_more_thread_run_if_there_is_one_more_processor(
    quota: str, granted: int, tmp_path: Path
) -> None:
    root = machine(tmp_path, "0::/\n", {"cpu.max": f"{quota} 100000\n"})

    assert available_processors(root) == min(granted, len(os.sched_getaffinity(0)))


def test_a_pinned_process_has_one_processor(tmp_path: Path) -> None:
    mask = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(mask)})
        assert available_processors(tmp_path) == 1
    finally:
        os.sched_setaffinity(0, mask)
