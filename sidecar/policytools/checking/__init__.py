"""`sidecar check`: what is wrong with a policy, and with an Envoy configuration beside it."""
