"""Envoy's side of a policy: its configuration, rendered from the policy and checked against it."""
