"""Observers that remember."""

from sidecar.routing.exchange import Exchange


class RecordingObserver:
    """Keeps what it was told."""

    def __init__(self) -> None:
        self.exchanges: list[Exchange] = []

    def observe(self, exchange: Exchange) -> None:
        """Into the list."""
        self.exchanges.append(exchange)

    @property
    def last(self) -> Exchange:
        """The latest."""
        return self.exchanges[-1]
