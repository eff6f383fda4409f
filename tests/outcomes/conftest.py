"""Sockets short enough for the kernel."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def socket() -> Iterator[Path]:
    """Where a server may listen."""
    with tempfile.TemporaryDirectory(prefix="llm-") as folder:
        yield Path(folder) / "outcomes.sock"
