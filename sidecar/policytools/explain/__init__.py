"""`sidecar explain`: what becomes of one request, and why."""
