"""Envoy and the router, put into pods of Kubernetes: by a webhook, by an admission policy, or offline."""
