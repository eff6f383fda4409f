"""The sidecar's own HTTP port, for people and probes."""
