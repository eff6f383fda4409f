"""Every name that Kubernetes sees of us: labels, annotations, containers, volumes, folders and defaults."""

from importlib.metadata import version

VERSION = version("envoy-llm-sidecar")

PREFIX = "envoy-llm-sidecar.io/"
"""Of our labels and annotations. An annotation is a setting's key behind it."""

NAMESPACE_LABEL, NAMESPACE_LABEL_VALUE = f"{PREFIX}injection", "enabled"
POD_LABEL, POD_LABEL_VALUE = f"{PREFIX}inject", "true"

STATUS_ANNOTATION = f"{PREFIX}status"
"""The annotation that we write: what was injected."""

CONFIG_CONTAINER = "llm-envoy-config"
ROUTER_CONTAINER = "llm-router"
ENVOY_CONTAINER = "llm-envoy"
CONTAINERS = (CONFIG_CONTAINER, ROUTER_CONTAINER, ENVOY_CONTAINER)
"""In the order in which they start."""

POLICY_VOLUME = "llm-policy"
KEYS_VOLUME = "llm-keys"
ENVOY_VOLUME = "llm-envoy"
RUN_VOLUME = "llm-run"
NO_TOKEN_VOLUME = "llm-no-token"  # noqa: S105  # a volume's name
VOLUMES = (POLICY_VOLUME, KEYS_VOLUME, ENVOY_VOLUME, RUN_VOLUME, NO_TOKEN_VOLUME)

POLICY_FOLDER = "/etc/sidecar"
POLICY_FILE = f"{POLICY_FOLDER}/router.yaml"
KEYS_FOLDER = "/etc/llm-keys"
ENVOY_FOLDER = "/etc/envoy"
ENVOY_FILE = f"{ENVOY_FOLDER}/envoy.yaml"
RUN_FOLDER = "/run/llm"
TOKEN_FOLDER = "/var/run/secrets/kubernetes.io/serviceaccount"  # noqa: S105  # where the API server mounts tokens

BASE_URLS = {"OPENAI_BASE_URL": "http://127.0.0.1:{port}/v1", "ANTHROPIC_BASE_URL": "http://127.0.0.1:{port}"}
"""What the SDKs read: OpenAI's adds /chat/completions to it, Anthropic's /v1/messages."""

CONSOLE_TOKEN_KEY = "token"  # noqa: S105  # the name of a key in a Secret
