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

from sidecar.config.compile import ClassifierConfig, Config, load_config
from sidecar.config.document import ConfigError, suggest
from sidecar.console.server import ConsoleServer
from sidecar.extproc.processor import Processor
from sidecar.extproc.server import ExtProcServer
from sidecar.inference.cache import CachedClassifier
from sidecar.inference.onnx_classifier import SHIPPED_MODEL, ModelFolderError, OnnxClassifier
from sidecar.inference.pool import ClassifierPool, available_processors
from sidecar.routing.classification import Classifier
from sidecar.routing.exchange import ExchangeObserver
from sidecar.routing.router import Router
from sidecar.telemetry.failures import FailureLog
from sidecar.telemetry.metrics import DecisionCounter
from sidecar.telemetry.tracing import DecisionTracer, TracingSettingsError, build_tracer_provider

_log = logging.getLogger("sidecar")


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
        config = load_config(options.policy)
        server = _Server(options, config, os.environ)
        await server.start()
    except (ConfigError, ModelFolderError, TracingSettingsError, OSError) as error:
        if server is not None:
            await server.stop()  # the socket must not stay behind
        raise StartError(str(error)) from error
    await stopping.wait()
    _log.info("draining")
    await server.stop()


class _Server:
    """All parts of one process, in the order in which they come up."""

    def __init__(self, options: ServeOptions, config: Config, environment: Mapping[str, str]) -> None:
        self._options = options
        self._config = config
        self._not_ready: str | None = "the classifier is loading"
        self._tracing = build_tracer_provider(environment)
        self._counter = DecisionCounter()
        self._extproc = ExtProcServer(options.address)
        self._console = ConsoleServer(
            options.http_host,
            options.http_port,
            why_not_ready=lambda: self._not_ready or self._extproc.why_unreachable(),
            render_metrics=self._counter.render,
        )
        self._pool: ClassifierPool | None = None

    async def start(self) -> None:
        """Listen at once, so that probes get an answer; take requests when the classifier is there."""
        await self._console.start()
        await self._extproc.start()
        onnx = await asyncio.to_thread(load_classifier, self._config)
        self._pool = build_pool(onnx, self._config.classifier, self._options.workers)
        classifier = build_cached(self._pool, self._config.classifier)
        router = Router(self._config.policy, classifier, self._config.classifier.deadline_seconds)
        # What is loaded now stays: the collector need not walk it again and again.
        gc.collect()
        gc.freeze()
        # A request leaves no cycles behind, yet the default (700 objects) would collect with every other request.
        gc.set_threshold(50_000, 50, 100)
        await self._extproc.serve(Processor(router, self._build_observers(onnx.version)))
        self._not_ready = None
        _log.info(
            "ready at %s, policy %s, classifier %s",
            self._options.address,
            self._config.policy.hash,
            onnx.version,
        )

    async def stop(self) -> None:
        """In the reverse order; nothing that is under way is lost."""
        self._not_ready = "draining"
        await self._extproc.drain()
        await self._console.stop()
        if self._pool is not None:
            self._pool.close()
        if self._tracing is not None:
            await asyncio.to_thread(self._tracing.shutdown)

    def _build_observers(self, classifier_version: str) -> list[ExchangeObserver]:
        observers: list[ExchangeObserver] = [self._counter, FailureLog()]
        if self._tracing is not None:
            observers.append(DecisionTracer(self._tracing.get_tracer("sidecar"), classifier_version))
        return observers


def load_classifier(config: Config) -> OnnxClassifier:
    """The policy's model, or the shipped one. Raises ModelFolderError unless its intents and the policy's agree."""
    folder = config.classifier.model_folder or SHIPPED_MODEL
    classifier = OnnxClassifier.load(folder)
    rule = config.policy.tier_rule
    unheard = [i for i in rule.least_tiers if i not in rule.usual_tiers and i not in classifier.intents]
    if unheard:
        close = suggest(unheard[0], classifier.intents)
        raise ModelFolderError(f"{folder}: the classifier knows no intent {unheard[0]!r} of the policy{close}")
    unplaced = [] if classifier.has_difficulty else rule.unplaced(classifier.intents)
    if unplaced:
        raise ModelFolderError(
            f"{folder}: the model tells no difficulty, and the policy gives no tier to {', '.join(unplaced)}: "
            "add a line for each under `intents`"
        )
    return classifier


def build_pool(classifier: OnnxClassifier, config: ClassifierConfig, workers: int) -> ClassifierPool:
    """The classifier on as many threads as there are processors for each of the workers."""
    threads = config.threads or max(1, available_processors() // workers)
    return ClassifierPool(classifier.classify, threads, config.queue, config.deadline_seconds)


def build_cached(classifier: Classifier, config: ClassifierConfig) -> Classifier:
    """The classifier behind its cache, if the policy wants one."""
    return CachedClassifier(classifier, config.cache_entries) if config.cache_entries else classifier
