"""Embedded LLM providers: three TLS servers on loopback that answer like OpenAI, Google and Anthropic.

They stand where the real providers stand in the demo, in the tests and in the benchmarks. The interface
that those build on, and that stays as it is:

In the same event loop::

    providers = EmbeddedProviders()              # ports 0: the kernel chooses
    await providers.start()
    providers.ports       # {"openai": 40001, "google": 40002, "anthropic": 40003}
    providers.ports_by_host   # {"api.openai.com": 40001, …}, for sidecar.demo.envoy_config.LocalPlaces
    providers.ca_file     # the private CA that signed their certificates
    providers.keys        # the only key each of them accepts
    await providers.set_fault("503", model="gpt-4o", count=2)
    await providers.clear_faults()
    providers.set_latency("gpt-4o", 300)         # milliseconds
    providers.requests()  # what arrived, oldest first: list of ReceivedRequest
    await providers.stop()

In a process of its own, for synchronous clients and for measurements::

    with ProviderProcess() as providers:         # same .ports .ports_by_host .ca_file .keys
        providers.control.set_fault("reset", provider="openai")
        providers.control.requests()             # the same records, as dictionaries
    # or: python -m sidecar.demo.providers --control-port 9903 --ca-dir DIR

By HTTP, on the control port (plain HTTP, loopback)::

    POST   /faults    {"provider" or "model": name, "fault": name,
                       "count"?: n, "delay_ms"?: n, "retry_after_seconds"?: n}
    GET    /faults    DELETE /faults             (?provider= or ?model= for one)
    POST   /latency   {"model": name, "ms": n}   (0 takes it away)
    GET    /requests  DELETE /requests           (?provider= or ?model= to read a part)

Faults: any HTTP error status ("503", "500", "429", "529" …), "reset" (TCP RST instead of an answer),
"hang" (no answer until the caller leaves), "truncate" (half an answer, then RST), "slow" (delay_ms before the
answer), "slow_sse" (delay_ms between events), and for a provider "refused" (its listener is closed).
A model's fault goes before its provider's. `count` ends a fault after n requests.

They are as strict as the real ones: another provider's key is a 401, a model they do not have (`auto`) a 404,
a request whose Host is neither theirs nor loopback a 421.
"""

from sidecar.demo.providers.client import ControlClient
from sidecar.demo.providers.embedded import EmbeddedProviders
from sidecar.demo.providers.faults import Fault, UnknownFaultError
from sidecar.demo.providers.process import ProviderProcess
from sidecar.demo.providers.received import ReceivedRequest

__all__ = [
    "ControlClient",
    "EmbeddedProviders",
    "Fault",
    "ProviderProcess",
    "ReceivedRequest",
    "UnknownFaultError",
]
