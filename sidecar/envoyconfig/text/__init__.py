"""From Envoy's messages to the file that people read and edit."""
