"""envoy-llm-sidecar: decides which models may answer an LLM request that Envoy shows it, and in what order."""
