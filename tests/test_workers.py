"""Several processes under one parent: what dies comes back, and all leave together."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from sidecar.workers import worker_address

PATIENCE_SECONDS = 30

PRELUDE = """
import os, signal, sys, time
from pathlib import Path
from sidecar.workers import Child, run_children

note = Path(sys.argv[1])

def work(index):
    with note.open("a") as file:
        file.write(f"{index}\\n")
    return do(index)

def run_workers(count):
    return run_children([Child(f"worker {index}", lambda index=index: work(index)) for index in range(count)])

def times_started(index):
    return note.read_text().split().count(str(index))

def stay():
    signal.pause()  # until SIGTERM, which ends a process

def stop_parent():
    os.kill(os.getppid(), signal.SIGTERM)
"""


def run(do: str, count: int, note: Path) -> tuple[int, list[str]]:
    """The exit code of a parent whose workers `do(index)`, and the indices of all that were started."""
    script = PRELUDE + textwrap.dedent(do) + f"\nsys.exit(run_workers({count}))\n"
    process = subprocess.run(
        [sys.executable, "-c", script, str(note)],
        timeout=PATIENCE_SECONDS,
        check=False,
        capture_output=True,
        text=True,
    )
    assert "Traceback" not in process.stderr
    return process.returncode, sorted(note.read_text().split())


@pytest.mark.parametrize(
    ("address", "index", "expected"),
    [
        ("/run/llm/sidecar.sock", 0, "/run/llm/sidecar.sock"),
        ("/run/llm/sidecar.sock", 1, "/run/llm/sidecar-1.sock"),
        ("/run/llm/sidecar.sock", 12, "/run/llm/sidecar-12.sock"),
        ("/run/llm.d/sidecar", 2, "/run/llm.d/sidecar-2"),
        ("./sidecar.sock", 1, "sidecar-1.sock"),
        ("127.0.0.1:50051", 0, "127.0.0.1:50051"),
        ("127.0.0.1:50051", 3, "127.0.0.1:50054"),
        ("[::1]:50051", 1, "[::1]:50052"),
    ],
)
def test_every_worker_has_an_address_of_its_own(address: str, index: int, expected: str) -> None:
    assert worker_address(address, index).removeprefix("./") == expected


def test_sigterm_to_the_parent_ends_all(tmp_path: Path) -> None:
    do = """
    def do(index):
        if index == 2:
            stop_parent()
        stay()
    """

    code, _ = run(do, 3, tmp_path / "note")

    assert code == 0


def test_a_worker_that_dies_comes_back_and_no_other(tmp_path: Path) -> None:
    do = """
    def do(index):
        if index == 1 and times_started(1) == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        if index == 1:
            stop_parent()
        stay()
    """

    assert run(do, 2, tmp_path / "note") == (0, ["0", "1", "1"])


def test_a_worker_that_cannot_start_ends_all_with_its_code(tmp_path: Path) -> None:
    do = """
    def do(index):
        if index == 1:
            return 2
        stay()
    """

    code, _ = run(do, 2, tmp_path / "note")

    assert code == 2


def test_a_worker_that_fails_while_it_leaves_is_told(tmp_path: Path) -> None:
    do = """
    def do(index):
        signal.signal(signal.SIGTERM, lambda *_: os._exit(7))
        stop_parent()
        stay()
    """

    assert run(do, 1, tmp_path / "note") == (7, ["0"])


def test_one_that_leaves_last_is_told_to_when_all_others_have_ended(tmp_path: Path) -> None:
    script = PRELUDE + textwrap.dedent("""
        def serve():
            signal.signal(signal.SIGTERM, lambda *_: (note.write_text("worker "), os._exit(0)))
            while not note.exists():
                time.sleep(0.01)
            stop_parent()
            stay()

        def collect():
            signal.signal(signal.SIGTERM, lambda *_: (note.open("a").write("collector"), os._exit(0)))
            note.touch()
            while True:
                stay()

        sys.exit(run_children([Child("collector", collect, leaves_last=True), Child("worker", serve)]))
    """)
    note = tmp_path / "note"

    done = subprocess.run([sys.executable, "-c", script, str(note)], timeout=PATIENCE_SECONDS, check=False)

    assert (done.returncode, note.read_text()) == (0, "worker collector")


def test_sighup_ends_nobody_and_is_passed_on(tmp_path: Path) -> None:
    do = """
    def do(index):
        os.kill(os.getppid(), signal.SIGHUP)  # may come back before anything here handles it
        signal.signal(signal.SIGHUP, lambda *_: stop_parent())
        os.kill(os.getppid(), signal.SIGHUP)
        while True:
            stay()
    """

    assert run(do, 1, tmp_path / "note") == (0, ["0"])


def test_workers_do_not_outlive_a_parent_that_is_killed(tmp_path: Path) -> None:
    script = PRELUDE + textwrap.dedent("""
        def do(index):
            stay()

        run_workers(2)
    """)
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path / "note")], stdout=subprocess.PIPE) as parent:
        parent.kill()
        # The pipe closes when the last process that holds it has ended.
        _, _ = parent.communicate(timeout=PATIENCE_SECONDS)


@pytest.mark.parametrize("attempt", range(10))
def test_sigterm_while_workers_are_being_started_reaches_those_too(tmp_path: Path, attempt: int) -> None:
    do = f"""
    def do(index):
        if index == 0:
            time.sleep({attempt} / 1000)
            stop_parent()
        stay()
    """

    code, _ = run(do, 12, tmp_path / "note")

    assert code == 0


def test_an_orphan_that_ends_under_the_parent_is_none_of_its_workers(tmp_path: Path) -> None:
    """As process 1 of a container the parent inherits whatever an exec into it leaves behind."""
    do = """
    import ctypes
    PR_SET_CHILD_SUBREAPER = 36
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)

    def do(index):
        if os.fork() == 0:  # a child that leaves a child of its own behind
            if os.fork() == 0:
                os._exit(7)
            os._exit(0)
        os.wait()
        time.sleep(0.2)  # for the orphan to end under the parent before we let it stop
        stop_parent()
        stay()
    """

    code, started = run(do, 1, tmp_path / "note")

    assert (code, started) == (0, ["0"])
