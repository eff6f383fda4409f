"""The four classes of model, cheapest first."""

from enum import IntEnum


class Tier(IntEnum):
    """Ordered: a higher tier answers whatever a lower one can."""

    SIMPLE = 0
    MODERATE = 1
    COMPLEX = 2
    REASONING = 3

    @property
    def label(self) -> str:
        """Its name as policies, headers and spans write it."""
        return self.name.lower()

    @property
    def above(self) -> "Tier":
        """The next tier up; the highest stays where it is."""
        return Tier(min(self + 1, Tier.REASONING))
