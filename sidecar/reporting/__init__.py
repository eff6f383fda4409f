"""`sidecar report`: a log of request records as one readable page."""
