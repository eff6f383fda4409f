"""Children of the demo end when they should, whatever happens to the demo."""

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sidecar.demo.child import Child
from sidecar.demo.tether import tethered

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]


def make_child(folder: Path, command: list[str]) -> Child:
    return Child("child", command, log=folder / "log", out=folder / "out", environment={"GREETING": "hello"})


def wait_until_gone(pid: int, seconds: float = 10) -> bool:
    """Whether the process ends in time; a zombie has ended."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if ") Z " in Path(f"/proc/{pid}/stat").read_text():
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        os.sched_yield()
    return False


@pytest.mark.asyncio
async def test_output_goes_to_its_files(tmp_path: Path) -> None:
    script = "import os, sys; print(os.environ['GREETING']); print('one\\ntwo', file=sys.stderr); sys.exit(3)"
    child = make_child(tmp_path, [sys.executable, "-c", script])
    await child.start()

    assert await child.ended() == 3
    assert child.tail() == "    one\n    two"
    assert (tmp_path / "out").read_text() == "hello\n"


@pytest.mark.asyncio
async def test_a_stopped_child_is_gone(tmp_path: Path) -> None:
    child = make_child(tmp_path, SLEEP)
    await child.start()
    await child.stop()

    assert child.exit_code == -15
    await child.stop()  # a second time changes nothing


@pytest.mark.asyncio
async def test_the_child_s_children_are_gone_too(tmp_path: Path) -> None:
    script = f"import subprocess, sys; print(subprocess.Popen({SLEEP!r}).pid, flush=True); sys.stdin.read()"
    child = make_child(tmp_path, [sys.executable, "-c", script])
    await child.start()
    await child.ended()  # its input is empty: it leaves a grandchild behind
    grandchild = int((tmp_path / "out").read_text())
    await child.stop()

    assert await asyncio.to_thread(wait_until_gone, grandchild)


def test_a_tethered_child_dies_with_its_parent() -> None:
    script = (
        "import subprocess, sys, time\n"
        "from sidecar.demo.tether import tethered\n"
        f"print(subprocess.Popen(tethered({SLEEP!r})).pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert Path(f"/proc/{child}").exists()
        parent.kill()

    assert wait_until_gone(child)


def test_its_command_line_is_the_plain_command() -> None:
    with subprocess.Popen(tethered(["sleep", "60"])) as child:
        deadline = time.monotonic() + 10
        shown = b""
        while shown != b"sleep\x0060\x00" and time.monotonic() < deadline:
            shown = Path(f"/proc/{child.pid}/cmdline").read_bytes()
        child.kill()

    assert shown == b"sleep\x0060\x00"
