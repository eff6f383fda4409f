"""The demo: the whole road on one machine, with embedded providers in place of the real ones."""
