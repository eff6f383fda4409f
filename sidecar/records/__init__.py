"""The record log: a line of JSON for each request and its outcome, to stdout, a file or an OTLP receiver."""
