"""Whether an Envoy configuration, as it stands in a file, can carry out the plans of a policy."""

import logging
from collections.abc import Iterable
from pathlib import Path

import yaml

from sidecar.config.document import ConfigError
from sidecar.config.loaded import LoadedPolicy, load_policy
from sidecar.routing.policy import Model

POLICY_COPY = "envoy.policy.yaml"
"""Beside an Envoy configuration: the policy that it was written for."""

_log = logging.getLogger("sidecar")

_LOADER: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class NotCarriedError(Exception):
    """Envoy would answer 503, or go on to the next model, where a plan names a cluster that it does not have."""


def load_first_policy(file: Path, envoy: Path | None) -> LoadedPolicy:
    """What a server starts with: the policy or, where that cannot be used, the one that Envoy was configured for.

    So a server that died comes back, whatever has been written into the file since Envoy started. Raises as
    `load_carried_policy` where there is no such copy.
    """
    try:
        return load_carried_policy(file, envoy)
    except (ConfigError, NotCarriedError) as error:
        copy = None if envoy is None else envoy.with_name(POLICY_COPY)
        if copy is None or not copy.is_file():
            raise
        _log.error("policy not loaded, the one in %s is used: %s", copy, error)
        return load_policy(file, copy)


def load_carried_policy(file: Path, envoy: Path | None) -> LoadedPolicy:
    """A policy that can be served. Raises ConfigError and, if the Envoy configuration is given, NotCarriedError."""
    loaded = load_policy(file)
    if envoy is not None:
        require_carried(loaded.config.policy.models.values(), envoy)
    return loaded


def require_carried(models: Iterable[Model], envoy: Path) -> None:
    """Raises NotCarriedError where a model's cluster is not in the Envoy configuration, or that cannot be read."""
    clusters = _read_clusters(envoy)
    missing = [f"{model.cluster!r} (models.{model.name})" for model in models if model.cluster not in clusters]
    if missing:
        raise NotCarriedError(
            f"{envoy} has no cluster {', '.join(missing)}: write it again with `sidecar envoy`, and restart Envoy"
        )


def _read_clusters(envoy: Path) -> set[str]:
    try:
        written = yaml.load(envoy.read_text("utf-8"), _LOADER)  # noqa: S506  # a safe loader, whichever it is
        return {cluster["name"] for cluster in written["static_resources"]["clusters"]}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise NotCarriedError(f"{envoy}: cannot be read: {error}") from error
    except (KeyError, TypeError) as error:
        raise NotCarriedError(
            f"{envoy}: static_resources.clusters: expected a list of clusters with names"
        ) from error
