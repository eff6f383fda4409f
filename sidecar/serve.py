"""Wires one serving process together, and takes it down again."""

import asyncio
import gc
import logging
import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import uvloop

from sidecar.assembly import Engine, build_engine, build_router
from sidecar.config.compile import Config, load_config
from sidecar.config.document import ConfigError
from sidecar.console.server import ConsoleServer
from sidecar.extproc.processor import Processor
from sidecar.extproc.server import ExtProcServer
from sidecar.inference.onnx_classifier import ModelFolderError
from sidecar.reload import PolicyFollower
from sidecar.routing.exchange import ExchangeObserver
from sidecar.routing.router import Routers
from sidecar.telemetry.failures import FailureLog
from sidecar.telemetry.metrics import RouterMetrics
from sidecar.telemetry.tracing import DecisionTracer, TracingSettingsError, build_tracer_provider

_log = logging.getLogger("sidecar")


_POLICY_FAULTS = (ConfigError, ModelFolderError)


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """What the command line says about serving."""

    policy: Path
    address: str
    """Where Envoy reaches us: the path of a Unix socket, or `host:port`."""
    http_host: str
    http_port: int
    workers: int = 1
    """Processes that share the processors."""


class StartError(Exception):
    """Why a server cannot start, for the person who starts it."""


def serve(options: ServeOptions) -> None:
    """Serve until SIGTERM or SIGINT. Raises StartError."""
    uvloop.run(_serve(options))


async def _serve(options: ServeOptions) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    server: _Server | None = None
    try:
        server = _Server(options, load_all(options.policy), os.environ)
        loop.add_signal_handler(signal.SIGHUP, server.reload)
        await server.start()
    except (*_POLICY_FAULTS, TracingSettingsError, OSError) as error:
        if server is not None:
            await server.stop()  # the socket must not stay behind
        raise StartError(str(error)) from error
    await stopping.wait()
    _log.info("draining")
    await server.stop()


@dataclass(frozen=True, slots=True)
class Loaded:
    """A policy file, and those of the policies that it wants tried."""

    file: Path
    config: Config
    shadows: tuple[Config, ...]

    @property
    def files(self) -> tuple[Path, ...]:
        """All that it was read from."""
        return (self.file, *self.config.shadow)


def load_all(policy: Path) -> Loaded:
    """Raises ConfigError."""
    config = load_config(policy)
    return Loaded(policy, config, tuple(load_config(file) for file in config.shadow))


class _Server:
    """All parts of one process, in the order in which they come up."""

    def __init__(self, options: ServeOptions, loaded: Loaded, environment: Mapping[str, str]) -> None:
        self._options = options
        self._loaded = loaded
        self._not_ready: str | None = "the classifier is loading"
        self._tracing = build_tracer_provider(environment)
        self._metrics = RouterMetrics()
        self._extproc = ExtProcServer(options.address)
        self._console = ConsoleServer(
            options.http_host,
            options.http_port,
            why_not_ready=lambda: self._not_ready or self._extproc.why_unreachable(),
            render_metrics=self._metrics.render,
        )
        self._engine: Engine | None = None
        self._routers: Routers | None = None
        self._follower = PolicyFollower(lambda: self._loaded.files, self._load, _POLICY_FAULTS)
        self._following: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen at once, so that probes get an answer; take requests when the classifier is there."""
        await self._console.start()
        await self._extproc.start()
        await asyncio.to_thread(self._use, self._loaded)
        routers = self._current()
        # What is loaded now stays: the collector need not walk it again and again.
        gc.collect()
        gc.freeze()
        # A request leaves no cycles behind, yet the default (700 objects) would collect with every other request.
        gc.set_threshold(50_000, 50, 100)
        await self._extproc.serve(Processor(self._current, self._build_observers()))
        self._not_ready = None
        policy = routers.active.policy.hash
        self._metrics.observe_policy(policy)
        self._following = asyncio.create_task(self._follower.follow(self._metrics, policy))
        _log.info(
            "ready at %s, policy %s, classifier %s", self._options.address, policy, routers.active.classifier_version
        )

    def reload(self) -> None:
        """Read the policy again, soon."""
        self._follower.ask()

    async def stop(self) -> None:
        """In the reverse order; nothing that is under way is lost."""
        self._not_ready = "draining"
        if self._following is not None:
            self._following.cancel()
        await self._extproc.drain()
        await self._console.stop()
        if self._engine is not None:
            self._engine.pool.close()
        if self._tracing is not None:
            await asyncio.to_thread(self._tracing.shutdown)

    def _current(self) -> Routers:
        assert self._routers is not None  # noqa: S101  # requests are taken once there is one
        return self._routers

    def _load(self) -> str:
        loaded = load_all(self._options.policy)
        self._use(loaded)
        return loaded.config.policy.hash

    def _use(self, loaded: Loaded) -> None:
        """Everything is built before anything is swapped; requests under way end as they began."""
        engine = self._engine
        if engine is None or engine.settings != loaded.config.classifier or engine.cache != loaded.config.cache:
            engine = build_engine(loaded.config, self._options.workers)
        routers = Routers(
            build_router(loaded.config, engine), tuple(build_router(shadow, engine) for shadow in loaded.shadows)
        )
        # An engine that was replaced is not closed here: its threads end with the last request that has it.
        self._engine, self._routers, self._loaded = engine, routers, loaded
        self._metrics.observe_cache(engine.classifier)

    def _build_observers(self) -> list[ExchangeObserver]:
        observers: list[ExchangeObserver] = [self._metrics, FailureLog()]
        if self._tracing is not None:
            observers.append(DecisionTracer(self._tracing.get_tracer("sidecar")))
        return observers
