"""The gateways that many tests share. Tests that break one start their own."""

import signal
from collections.abc import Iterator

import pytest

from tests.envoy.gateway import Gateway


@pytest.fixture(scope="session", params=["envoy.yaml", "envoy-basic.yaml"])
def any_gateway(request: pytest.FixtureRequest) -> Iterator[Gateway]:
    """Each of the shipped configurations in turn."""
    with Gateway(request.param) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def gateway() -> Iterator[Gateway]:
    """The resilient configuration, shared by one module."""
    with Gateway() as gateway:
        yield gateway


# A shell starts what runs in the background with Ctrl-C ignored, and so would every process that a test starts.
signal.signal(signal.SIGINT, signal.default_int_handler)
