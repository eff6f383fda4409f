"""The pure core: from a request's bytes and a policy to a decision. No I/O, no wire formats but JSON, no clocks."""
