"""The rules for an Envoy file that carries out a policy, grouped by what they look at."""
