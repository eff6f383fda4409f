"""The gateways that many tests share. Tests that break one start their own."""

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
