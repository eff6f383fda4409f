"""The names that Envoy's configuration and the sidecar, or two parts of the configuration, have to agree on."""

import json

EDGE = "edge"
MODELS = "models"
SIDECAR = "sidecar"
OUTCOMES = "outcomes"
OTLP = "otlp"
STATUS = "status"
ADMIN = "admin"

METADATA_NAMESPACE = "llm.router"
"""Where the sidecar writes its decision, and nobody else can."""

ATTEMPT_NAMESPACE = "llm.attempt"
"""What its log and its span say of an attempt."""

CLUSTER_HEADER = "x-llm-cluster"
API_HEADER = "x-llm-api"
TARGET_HEADER = "x-llm-target"
MODEL_HEADER = "x-llm-model"
TIER_HEADER = "x-llm-tier"
MAX_COST_HEADER = "x-llm-max-cost"
REASON_HEADER = "x-llm-reason"
DECISION_ID_HEADER = "x-llm-decision-id"
REQUEST_ID_HEADER = "x-request-id"
ATTEMPT_COUNT_HEADER = "x-envoy-attempt-count"

EXT_PROC = "envoy.filters.http.ext_proc"
LUA = "envoy.filters.http.lua"

CONFIG_FOLDER = "/etc/envoy"
SET_MODEL_PATH = f"{CONFIG_FOLDER}/set_model.lua"
SOCKET_FOLDER = "/run/llm"
OUTCOMES_SOCKET = f"{SOCKET_FOLDER}/outcomes.sock"

MAX_BODY_BYTES = 16 * 1024 * 1024


def sidecar_sockets(workers: int) -> list[str]:
    """Where `sidecar serve --workers` listens: sidecar.sock, sidecar-1.sock, sidecar-2.sock …"""
    names = ["sidecar.sock", *(f"sidecar-{index}.sock" for index in range(1, workers))]
    return [f"{SOCKET_FOLDER}/{name}" for name in names]


def provider_cluster(model: str) -> str:
    """The cluster that reaches the provider of that model."""
    return f"{model}-provider"


def id_in_json(model_id: str) -> str:
    """The model's id as a route has it for set_model.lua, which puts it between quotes as it is."""
    return json.dumps(model_id, ensure_ascii=False)[1:-1]


def from_metadata(key: str) -> str:
    """Envoy's word for a value of the decision."""
    return f"%DYNAMIC_METADATA({METADATA_NAMESPACE}:{key})%"
