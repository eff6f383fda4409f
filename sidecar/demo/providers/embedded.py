"""The providers together: start, stop, faults, latencies and the record of what arrived."""

import dataclasses
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from aiohttp import web

from sidecar.demo.providers.api import ProviderApi
from sidecar.demo.providers.catalog import DEMO_KEYS, PROVIDERS, Provider, ports_by_host
from sidecar.demo.providers.certificates import PrivateAuthority
from sidecar.demo.providers.faults import Fault, FaultTable, UnknownFaultError
from sidecar.demo.providers.listener import Listener
from sidecar.demo.providers.received import DEFAULT_LIMIT, ReceivedRequest, ReceivedRequests

# Envoy keeps idle upstream connections for an hour; closing them earlier would only add resets of our own.
KEEPALIVE_SECONDS = 3600


class EmbeddedProviders:
    """The three providers in this event loop. All parameters have working defaults.

    `ports`: by provider name, 0 or absent for a free one. `keys`: by provider name. `models`: ids to know
    besides those of the catalog, by provider name. `event_seconds`: the pause between the events of a stream.
    `is_tls` False serves plain HTTP. `record_limit` 0 records nothing. `ca_dir`: where ca.pem goes; a
    temporary folder if absent.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        ports: Mapping[str, int] | None = None,
        keys: Mapping[str, str] | None = None,
        *,
        models: Mapping[str, Iterable[str]] | None = None,
        event_seconds: float = 0.0,
        is_tls: bool = True,
        record_limit: int = DEFAULT_LIMIT,
        ca_dir: Path | None = None,
    ) -> None:
        self.host = host
        self.keys = DEMO_KEYS | dict(keys or {})
        self.ca_file: Path | None = None
        self._catalog = [_with_models(known, (models or {}).get(known.name, ())) for known in PROVIDERS]
        self._wanted_ports = dict(ports or {})
        self._event_seconds = event_seconds
        self._is_tls = is_tls
        self._ca_dir = ca_dir
        self._own_folder: tempfile.TemporaryDirectory[str] | None = None
        self._faults = FaultTable()
        self._received = ReceivedRequests(record_limit)
        self._latencies_ms: dict[str, float] = {}
        self._listeners: dict[str, Listener] = {}

    @property
    def ports(self) -> dict[str, int]:
        """The port of each provider, by name; known after `start`."""
        return {name: listener.port for name, listener in self._listeners.items()}

    @property
    def ports_by_host(self) -> dict[str, int]:
        """The same by the provider's real host, for `LocalPlaces.provider_ports`."""
        return ports_by_host(self.ports)

    async def start(self) -> None:
        """Open the listeners. Raises OSError when a port is taken."""
        authority = PrivateAuthority(self._folder()) if self._is_tls else None
        self.ca_file = None if authority is None else authority.ca_file
        for provider in self._catalog:
            listener = self._listener(provider, authority)
            await listener.open()
            self._listeners[provider.name] = listener

    async def stop(self) -> None:
        """Close everything, hanging requests included."""
        for listener in self._listeners.values():
            await listener.close()
        if self._own_folder is not None:
            self._own_folder.cleanup()

    async def set_fault(
        self,
        kind: str,
        *,
        provider: str | None = None,
        model: str | None = None,
        count: int | None = None,
        delay_ms: int = 500,
        retry_after_seconds: int | None = None,
    ) -> None:
        """Switch a fault on for a provider or a model. Raises UnknownFaultError."""
        scope = self._scope(provider, model)
        if kind == "refused" and scope[0] == "model":
            raise UnknownFaultError("refused closes the listener of a provider; it cannot be set for a model")
        self._faults.set(scope, Fault(kind, count, delay_ms, retry_after_seconds))
        await self._open_or_close()

    async def clear_faults(self, *, provider: str | None = None, model: str | None = None) -> None:
        """Switch one fault off, or all."""
        self._faults.clear(None if provider is None and model is None else self._scope(provider, model))
        await self._open_or_close()

    def faults(self) -> list[Mapping[str, object]]:
        """The faults that are on."""
        return list(self._faults.rows())

    def set_latency(self, model: str, milliseconds: float) -> None:
        """Let every answer of a model wait that long; 0 takes it away. Raises UnknownFaultError."""
        self._scope(None, model)
        self._latencies_ms[model] = milliseconds

    def requests(self, provider: str | None = None, model: str | None = None) -> list[ReceivedRequest]:
        """What arrived, oldest first; of one provider or model if given."""
        return self._received.read(provider, model)

    def clear_requests(self) -> None:
        """Forget what arrived."""
        self._received.clear()

    def _folder(self) -> Path:
        if self._ca_dir is not None:
            return self._ca_dir
        self._own_folder = tempfile.TemporaryDirectory(prefix="llm-ca-")
        return Path(self._own_folder.name)

    def _listener(self, provider: Provider, authority: PrivateAuthority | None) -> Listener:
        api = ProviderApi(
            provider,
            self.keys[provider.name],
            self._faults,
            self._received,
            self._latencies_ms,
            self._event_seconds,
        )
        server = web.Server(
            api.handle, handler_cancellation=True, access_log=None, keepalive_timeout=KEEPALIVE_SECONDS
        )
        tls = None if authority is None else authority.server_settings(provider)
        return Listener(server, self.host, self._wanted_ports.get(provider.name, 0), tls)

    def _scope(self, provider: str | None, model: str | None) -> tuple[str, str]:
        if model is not None and provider is None:
            if not any(model in known.models for known in self._catalog):
                raise UnknownFaultError(f"unknown model {model!r}")
            return ("model", model)
        if provider is None or model is not None:
            raise UnknownFaultError("name a provider or a model, one of the two")
        if provider not in (known.name for known in self._catalog):
            raise UnknownFaultError(f"unknown provider {provider!r}")
        return ("provider", provider)

    async def _open_or_close(self) -> None:
        refused = {row.get("provider") for row in self._faults.rows() if row["fault"] == "refused"}
        for name, listener in self._listeners.items():
            await (listener.close() if name in refused else listener.open())


def _with_models(provider: Provider, more: Iterable[str]) -> Provider:
    return dataclasses.replace(provider, models=tuple(dict.fromkeys((*provider.models, *more))))
