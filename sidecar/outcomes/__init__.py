"""What Envoy's access log tells of requests: the gRPC service it is sent to, and the join with the decisions."""
