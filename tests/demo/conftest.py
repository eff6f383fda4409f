"""Embedded providers for the tests of this folder."""

import ssl
from collections.abc import Iterator

import pytest

from sidecar.demo.providers import ProviderProcess


@pytest.fixture(scope="session")
def provider_process() -> Iterator[ProviderProcess]:
    with ProviderProcess() as providers:
        yield providers


@pytest.fixture
def providers(provider_process: ProviderProcess) -> ProviderProcess:
    """In a process of their own, so that synchronous clients can wait for them; without faults and records."""
    provider_process.control.clear_faults()
    provider_process.control.clear_requests()
    return provider_process


@pytest.fixture(scope="session")
def trust(provider_process: ProviderProcess) -> ssl.SSLContext:
    """TLS settings of a client that trusts the private authority and checks the host name."""
    return ssl.create_default_context(cafile=str(provider_process.ca_file))
