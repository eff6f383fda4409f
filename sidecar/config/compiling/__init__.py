"""From what is written to what runs: names resolved, defaults filled in, contradictions refused."""
