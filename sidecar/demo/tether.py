"""Ties a child to its parent: whatever kills the demo ends its children as well.

Run as a script (not imported) it asks the kernel for that and becomes the command it was given. A step of its
own instead of `preexec_fn`, which Python calls unsafe, and warns about, where threads run.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

# From <sys/prctl.h>; survives execve. Linux only: elsewhere a killed demo leaves its children behind.
PR_SET_PDEATHSIG = 1


def tethered(command: Sequence[str]) -> list[str]:
    """The command, started so that it gets SIGTERM when this process dies, and in a process group of its own.

    "This process" is, to be exact, the thread that starts it. The child's command line, as `ps` shows it, is
    the plain command.
    """
    # -I -S: nothing to import but the standard library, so it takes about 20 ms.
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), *command]


def _become(parent: int, command: list[str]) -> None:
    # Ctrl-C in the terminal then reaches the parent alone, which ends its children in order.
    os.setpgid(0, 0)
    if sys.platform.startswith("linux"):
        _ask_for_sigterm(parent)
    os.execvp(command[0], command)  # noqa: S606 - a shell between us and the child would take the signal


def _ask_for_sigterm(parent: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:
        # The parent died before the kernel knew: there is nobody to work for.
        sys.exit(1)


if __name__ == "__main__":
    _become(int(sys.argv[1]), sys.argv[2:])
