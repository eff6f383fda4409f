"""The command `sidecar envoy`: a policy file in, Envoy's configuration out."""

import json
import sys
from pathlib import Path

import yaml

from sidecar.config.carried import POLICY_COPY
from sidecar.config.compile import load_config
from sidecar.config.document import ConfigError, read_document
from sidecar.config.finding import Finding, Severity
from sidecar.envoyconfig.parts.places import AS_SHIPPED, Places
from sidecar.envoyconfig.parts.upstreams import CannotRenderError
from sidecar.envoyconfig.render import render_envoy, render_files


def run_render(
    policy: Path,
    basic: bool,
    out: Path | None,
    overlay: Path | None,
    *,
    is_json: bool = False,
    places: Places = AS_SHIPPED,
) -> None:
    """Print Envoy's bootstrap (as YAML or as JSON), or write it and the files it needs into the folder `out`.

    Raises ConfigError for the policy and for the overlay, OSError for the folder, and ModuleNotFoundError on import
    where the extra `envoy` is not installed.
    """
    config = load_config(policy)
    try:
        if out is None:
            text = render_envoy(config, is_basic=basic, overlay=overlay, places=places)
            sys.stdout.write(json.dumps(yaml.safe_load(text), indent=1) + "\n" if is_json else text)
        else:
            files = render_files(config, is_basic=basic, overlay=overlay, places=places)
            _write_files(out, {**files, POLICY_COPY: _copy(policy)})
    except CannotRenderError as error:
        raise ConfigError((_finding(policy, str(error)),)) from error


def _finding(policy: Path, message: str) -> Finding:
    reason = "Envoy's configuration has names of its own, which the policy's must not meet."
    return Finding("cannot-render", Severity.ERROR, policy, 0, 0, message, reason, "")


def _copy(policy: Path) -> str:
    """What the policy says, for a server that has to start when its own file cannot be used any more."""
    return yaml.safe_dump(read_document(policy).data, sort_keys=False, allow_unicode=True)


def _write_files(folder: Path, files: dict[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text, "utf-8")
