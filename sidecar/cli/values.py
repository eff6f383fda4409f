"""What a value on the command line may be; each raises argparse's own error, which names the option."""

import argparse
import ipaddress
import math
from datetime import UTC, datetime

HIGHEST_PORT = 65535


def socket(text: str) -> str:
    """A path, or HOST:PORT."""
    if "/" not in text:  # a path has one: ./sidecar.sock
        address(text)
    return text


def address(text: str) -> tuple[str, int]:
    """HOST:PORT."""
    host, colon, number = text.rpartition(":")
    if not colon or not host:
        raise argparse.ArgumentTypeError(f"expected HOST:PORT, got {text!r}")
    return host.strip("[]"), port(number)


def address_or_none(text: str) -> tuple[str, int] | None:
    """HOST:PORT, or None for `none`."""
    return None if text == "none" else address(text)


def listening(text: str) -> tuple[str, int]:
    """IP:PORT, as of what does not look names up."""
    host, number = address(text)
    try:
        ipaddress.ip_address(host)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected an IP address and a port, got {text!r}") from None
    return host, number


def port(text: str) -> int:
    """1 to 65535."""
    if not text.isdecimal() or not 0 < int(text) <= HIGHEST_PORT:
        raise argparse.ArgumentTypeError(f"expected a port from 1 to {HIGHEST_PORT}, got {text!r}")
    return int(text)


def seed(text: str) -> int:
    """A whole number from 0 to 2^32 - 1."""
    if not text.isdecimal() or int(text) >= 2**32:
        raise argparse.ArgumentTypeError(f"expected a whole number from 0 to 2^32 - 1, got {text!r}")
    return int(text)


def epochs(text: str) -> float:
    """A number above 0."""
    try:
        epochs = float(text)
    except ValueError:
        epochs = math.nan
    if not 0 < epochs < math.inf:
        raise argparse.ArgumentTypeError(f"expected a number above 0, got {text!r}")
    return epochs


def seconds(text: str) -> float:
    """A number from 0."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise argparse.ArgumentTypeError(f"expected seconds, got {text!r}")
    return seconds


def share(text: str) -> float:
    """A number from 0 to 1."""
    try:
        share = float(text)
    except ValueError:
        share = math.nan
    if not 0 <= share <= 1:
        raise argparse.ArgumentTypeError(f"expected a number from 0 to 1, got {text!r}")
    return share


def positive(text: str) -> int:
    """A whole number from 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1, got {text!r}")
    return int(text)


def header(text: str) -> tuple[str, str]:
    """`name: value`."""
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise argparse.ArgumentTypeError(f"expected 'name: value', got {text!r}")
    return name.strip().lower(), value.strip()


def moment(text: str) -> datetime:
    """An ISO 8601 date and time; without a zone it is UTC."""
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a time like 2026-03-01T10:00Z, got {text!r}") from None
    return read if read.tzinfo is not None else read.replace(tzinfo=UTC)
