"""`sidecar test`: the routing tests of a policy."""
