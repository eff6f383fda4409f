"""From the workers to the collector: one message for each decision, over a socket pair they were born with."""
