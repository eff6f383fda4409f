"""What a tool says, on standard output, at once."""

import sys

import msgspec


def write_text(text: str) -> None:
    """For people. Raises OSError."""
    sys.stdout.write(text)
    sys.stdout.flush()


def write_json(value: object) -> None:
    """For programs: one line, and indented on a terminal. Raises OSError."""
    written = msgspec.json.encode(value, enc_hook=str)
    sys.stdout.buffer.write((msgspec.json.format(written) if sys.stdout.isatty() else written) + b"\n")
    sys.stdout.flush()
