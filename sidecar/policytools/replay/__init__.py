"""`sidecar replay`: what another policy would have decided about a log."""
