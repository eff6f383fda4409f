"""How commands end, and what they are registered with; the same for all of them."""

import argparse
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    Commands: TypeAlias = argparse._SubParsersAction[argparse.ArgumentParser]
else:  # the class is not generic at runtime
    Commands = argparse._SubParsersAction

EXIT_BROKEN = 1
"""Something broke; of check and test: a finding, or a test that failed."""

EXIT_UNUSABLE = 2
"""The command line, the policy, the input or a port cannot be used."""

EXIT_INTERRUPTED = 130  # as shells say of a command that Ctrl-C ended
