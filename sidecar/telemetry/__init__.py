"""What the process tells of its decisions: spans and counts, by OpenTelemetry."""
