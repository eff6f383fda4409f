"""Kubernetes: Envoy and the router put into pods that ask for it."""
