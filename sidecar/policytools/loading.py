"""What serves, built for the tools: the same parts, with all the time that they need."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from sidecar.assembly import Engine, build_engine, build_router, model_folder
from sidecar.config.running import Config
from sidecar.inference.onnx_classifier import ModelFolderError
from sidecar.routing.router import Router
from sidecar.streams.lines import InputError

# A tool has no Envoy that waits: only a classifier that hangs is too late, and none is ever busy.
_PATIENCE_SECONDS = 600.0
_ENDLESS_QUEUE = 1_000_000


@contextmanager
def routers_of(configs: Sequence[Config], threads: int | None = None) -> Iterator[list[Router]]:
    """A router for each; those with the same model share it. Raises InputError for a model that cannot be loaded."""
    with ExitStack() as stack:
        engines: dict[object, Engine] = {}
        routers = []
        for config in configs:
            key = (model_folder(config), config.cache)
            unhurried = _unhurried(config, threads)
            if key not in engines:
                engines[key] = _engine(unhurried)
                stack.callback(engines[key].pool.close)
            routers.append(build_router(unhurried, engines[key]))
        yield routers


def _engine(config: Config) -> Engine:
    try:
        return build_engine(config, workers=1)
    except ModelFolderError as error:
        raise InputError(str(error)) from error


def _unhurried(config: Config, threads: int | None) -> Config:
    classifier = replace(
        config.classifier,
        deadline_seconds=_PATIENCE_SECONDS,
        queue=_ENDLESS_QUEUE,
        threads=threads or config.classifier.threads,
    )
    return replace(config, classifier=classifier)
