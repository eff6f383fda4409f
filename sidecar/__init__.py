"""envoy-llm-sidecar: decides, for each LLM request that Envoy shows it, which models may answer it and in what order."""
