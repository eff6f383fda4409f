"""How commands end, and what they are registered with; the same for all of them."""

import argparse
import os
import signal
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Never, TypeAlias

from sidecar.config.document import ConfigError
from sidecar.routing.classification import ClassifierFailedError
from sidecar.streams.lines import InputError

if TYPE_CHECKING:
    Commands: TypeAlias = argparse._SubParsersAction[argparse.ArgumentParser]
else:  # the class is not generic at runtime
    Commands = argparse._SubParsersAction

EXIT_BROKEN = 1
"""Something broke; of check and test: a finding, or a test that failed."""

EXIT_UNUSABLE = 2
"""The command line, the policy, a file or a port cannot be used."""

EXIT_INTERRUPTED = 130  # as shells say of a command that Ctrl-C ended


def run_as_shells_expect(command: Callable[[], int]) -> int:
    """A reader that went away, and Ctrl-C, end it without a word and by the signal: shells then say 141 and 130."""
    try:
        try:
            return command()
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()  # here, where a reader that went away can still be told from other errors
    except BrokenPipeError:
        _end_by(signal.SIGPIPE)
    except KeyboardInterrupt:
        _end_by(signal.SIGINT)


def _end_by(number: signal.Signals) -> Never:
    """An exit code alone would let a shell's loop go on after Ctrl-C."""
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    raise SystemExit(128 + number)  # where it is blocked


def run_tool(command: Callable[[], int], *, as_json: bool = False) -> int:
    """As `run_told`, and Ctrl-C ends it at once, even while it waits for input: there is nothing to put in order."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else it was started to ignore Ctrl-C
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    return run_told(command, as_json=as_json)


def run_told(command: Callable[[], int], *, as_json: bool = False) -> int:
    """What cannot be used, and what breaks, is told on one line; with `as_json` also to the program that reads."""
    try:
        return command()
    except BrokenPipeError:
        raise
    except (ConfigError, InputError) as error:
        return _tell(error, str(error), EXIT_UNUSABLE, as_json=as_json)
    except ClassifierFailedError as error:
        return _tell(error, str(error), EXIT_BROKEN, as_json=as_json)
    except OSError as error:
        if error.filename is None:  # as of a full disk
            return _tell(error, error.strerror or str(error), EXIT_BROKEN, as_json=as_json)
        return _tell(error, f"{error.filename}: {error.strerror}", EXIT_UNUSABLE, as_json=as_json)


def lacking(error: ModuleNotFoundError, command: str, extra: str) -> InputError:
    """What to say of a command whose extra is not installed."""
    return InputError(f"{command} needs {error.name}: pip install 'envoy-llm-sidecar[{extra}]'")


def _tell(error: Exception, message: str, status: int, *, as_json: bool) -> int:
    print(f"sidecar: {message}", file=sys.stderr)
    if as_json:
        from sidecar.policytools.printing import write_json

        findings = error.findings if isinstance(error, ConfigError) else ()
        write_json({"error": {"message": message, "findings": findings}})
    return status
