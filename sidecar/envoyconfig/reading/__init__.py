"""An Envoy file as it is: its text with positions, the types of its values, and what its parts do."""
