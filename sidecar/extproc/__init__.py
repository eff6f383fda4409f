"""Envoy's side: the external-processing gRPC service, and everything that goes over that wire."""
