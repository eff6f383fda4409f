"""Every name that we have in a pod: labels, annotations, containers, volumes."""

PREFIX = "envoy-llm-sidecar.io/"

NAMESPACE_LABEL = f"{PREFIX}injection"
NAMESPACE_LABEL_VALUE = "enabled"
POD_LABEL = f"{PREFIX}inject"
POD_LABEL_VALUE = "true"
STATUS_ANNOTATION = f"{PREFIX}status"

CONFIG_CONTAINER = "llm-envoy-config"
ROUTER_CONTAINER = "llm-router"
ENVOY_CONTAINER = "llm-envoy"
CONTAINERS = (CONFIG_CONTAINER, ROUTER_CONTAINER, ENVOY_CONTAINER)

POLICY_VOLUME = "llm-policy"
KEYS_VOLUME = "llm-keys"
ENVOY_VOLUME = "llm-envoy"
RUN_VOLUME = "llm-run"
VOLUMES = (POLICY_VOLUME, KEYS_VOLUME, ENVOY_VOLUME, RUN_VOLUME)
