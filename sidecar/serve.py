"""Wires one worker together, and takes it down again."""

import asyncio
import gc
import logging
import socket
from dataclasses import dataclass
from pathlib import Path

from sidecar.assembly import Engine, build_engine, build_router
from sidecar.config.carried import NotCarriedError, load_carried_policy
from sidecar.config.document import ConfigError
from sidecar.config.loaded import LoadedPolicy
from sidecar.extproc.processor import Processor
from sidecar.extproc.server import ExtProcServer
from sidecar.inference.onnx_classifier import ModelFolderError
from sidecar.lifecycle import run_service
from sidecar.notices.sender import NoticeSender, WorkerState
from sidecar.reload import PolicyFollower
from sidecar.routing.prompt_sample import sample_prompt
from sidecar.routing.router import Routers
from sidecar.telemetry.failures import FailureLog

_log = logging.getLogger("sidecar")

_POLICY_FAULTS = (ConfigError, ModelFolderError, NotCarriedError)


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """What the command line says about serving."""

    policy: Path
    loaded: LoadedPolicy
    """What that file said when everything started: a mistake that is made in it later keeps no worker down."""
    address: str
    """Where Envoy reaches us: the path of a Unix socket, or `host:port`."""
    notices: socket.socket
    """Where to tell of decisions: the sending end of a channel."""
    worker: int = 0
    """Which one this is."""
    workers: int = 1
    """Processes that share the processors."""
    envoy: Path | None = None
    """The configuration of the Envoy that carries the plans out, if its file is at hand."""


def serve(options: ServeOptions) -> None:
    """Serve until SIGTERM or SIGINT. Raises StartError."""
    run_service(lambda: _Worker(options), _POLICY_FAULTS)


class _Worker:
    """All parts of one process, in the order in which they come up."""

    def __init__(self, options: ServeOptions) -> None:
        self._options = options
        self._not_ready: str | None = "the classifier is loading"
        self._extproc = ExtProcServer(options.address)
        self._engine: Engine | None = None
        self._routers: Routers | None = None
        self._notices = NoticeSender(options.notices, options.worker, self._describe, self._sample)
        self._loaded = self._load_latest()
        self._follower = PolicyFollower(lambda: self._loaded.files, self._load, _POLICY_FAULTS)
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Listen at once, so that Envoy's health checks get an answer; take requests when the classifier is there."""
        self._tasks.append(asyncio.create_task(self._notices.tell_on_and_on()))
        await self._extproc.start()
        await asyncio.to_thread(self._use, self._loaded)
        routers = self._current()
        # What is loaded now stays: the collector need not walk it again and again.
        gc.collect()
        gc.freeze()
        # A request leaves no cycles behind, yet the default (700 objects) would collect with every other request.
        gc.set_threshold(50_000, 50, 100)
        await self._extproc.serve(Processor(self._current, [self._notices, FailureLog()]))
        self._not_ready = None
        self._notices.tell()
        policy = routers.active.policy.hash
        self._tasks.append(asyncio.create_task(self._follower.follow(self._notices, policy)))
        _log.info(
            "ready at %s, policy %s, classifier %s", self._options.address, policy, routers.active.classifier_version
        )

    def reload(self) -> None:
        """Read the policy again, soon."""
        self._follower.ask()

    async def stop(self) -> None:
        """In the reverse order; nothing that is under way is lost."""
        self._not_ready = "draining"
        self._notices.tell()
        await self._extproc.drain()
        for task in self._tasks:
            task.cancel()
        if self._engine is not None:
            self._engine.pool.close()

    def _describe(self) -> WorkerState:
        why_not = self._not_ready or self._extproc.why_unreachable()
        if self._engine is None or self._routers is None:
            return WorkerState(why_not)
        active = self._routers.active
        return WorkerState(
            why_not,
            policy=active.policy.hash,
            classifier=active.classifier_version,
            waiting=self._engine.pool.waiting,
            cache_entries=len(self._engine.classifier),
        )

    def _sample(self, decision_id: str, prompt: str) -> str | None:
        return sample_prompt(self._loaded.config.records.prompts, decision_id, prompt)

    def _current(self) -> Routers:
        assert self._routers is not None  # noqa: S101  # requests are taken once there is one
        return self._routers

    def _load_latest(self) -> LoadedPolicy:
        """What the file says, or what it said when everything started: a worker that died comes back all the same."""
        try:
            return load_carried_policy(self._options.policy, self._options.envoy)
        except (ConfigError, NotCarriedError) as error:
            policy = self._options.loaded.config.policy.hash
            _log.error("policy not loaded, %s stays in use: %s", policy, error)
            self._notices.observe_reload(policy, succeeded=False)
            return self._options.loaded

    def _load(self) -> str:
        loaded = load_carried_policy(self._options.policy, self._options.envoy)
        self._use(loaded)
        return loaded.config.policy.hash

    def _use(self, loaded: LoadedPolicy) -> None:
        """Everything is built before anything is swapped; requests under way end as they began."""
        engine = self._engine
        if engine is None or engine.settings != loaded.config.classifier or engine.cache != loaded.config.cache:
            engine = build_engine(loaded.config, self._options.workers)
        routers = Routers(
            build_router(loaded.config, engine), tuple(build_router(shadow, engine) for shadow in loaded.shadows)
        )
        # An engine that was replaced is not closed here: its threads end with the last request that has it.
        self._engine, self._routers, self._loaded = engine, routers, loaded
