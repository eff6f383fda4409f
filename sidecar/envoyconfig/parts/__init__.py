"""The parts of Envoy's configuration, as messages of its own types: each module decides on one part."""
