"""Measures what the sidecar costs: beside raw ONNX Runtime, and beside Envoy without it.

Everything is compared within one run, on one machine, in interleaved rounds: trust the ratios. Absolute times belong
to the machine, which the report names.
"""
