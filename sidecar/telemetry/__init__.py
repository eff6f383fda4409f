"""What leaves the process about itself: spans, by OpenTelemetry's own settings."""
