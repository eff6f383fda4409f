"""The pure core: from a request's bytes and a policy to a decision. No I/O, and no wire format but JSON."""
