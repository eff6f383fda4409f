"""Every name that we and Envoy's configuration must agree on."""

SERVICE = "envoy.service.ext_proc.v3.ExternalProcessor"

METADATA_NAMESPACE = "llm.router"
"""Dynamic metadata that Envoy takes from us (`receiving_namespaces`); a client cannot write it."""

PRIORITY_GROUPS = "priority_groups"
"""The key in it that Envoy's priority_group cluster specifier reads the plan from."""

DECISION_ID = "decision_id"
MODEL = "model"
TIER = "tier"
REASON = "reason"
POLICY = "policy"
INTENT = "intent"
CONFIDENCE = "confidence"
DIFFICULTY = "difficulty"
RULE = "rule"
ARM = "arm"
RECORD = "record"
"""The keys beside it, for Envoy's access log, trace tags and response headers."""

CLUSTER_HEADER = "x-llm-cluster"
"""Request header with the cluster of the plan's first model, for `cluster_header` routes."""

DECISION_ID_HEADER = "x-llm-decision-id"
"""Request header that ties log entries of all attempts to the decision; also on the answers we write ourselves."""

REASON_HEADER = "x-llm-reason"
"""Response header; on routed requests Envoy writes it, from the metadata."""

DRY_RUN = "llm-dry-run"
"""Metadata of a call that only asks what would be decided; Envoy's calls never have it, whatever its clients send."""
