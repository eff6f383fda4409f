"""The Helm chart as Helm renders it."""

from typing import Any

import helm_python
import yaml

from tests.fakes.manifests import K8S, Manifest

CHART = K8S / "chart"


def chart(values: dict[str, Any], namespace: str) -> tuple[Manifest, ...]:
    """What `helm install` would send."""
    with helm_python.Chart.load(str(CHART)) as loaded:
        texts = loaded.render(values, name="llm", namespace=namespace)
    rendered = [yaml.safe_load(text) for name, text in texts.items() if name.endswith(".yaml")]
    return tuple(it for it in rendered if it is not None)
