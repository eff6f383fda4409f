"""Observers that remember."""

import asyncio

from sidecar.routing.exchange import Exchange


class RecordingObserver:
    """Keeps what it was told."""

    def __init__(self) -> None:
        self.exchanges: list[Exchange] = []
        self._told = asyncio.Event()

    def observe(self, exchange: Exchange) -> None:
        """Into the list."""
        self.exchanges.append(exchange)
        self._told.set()

    @property
    def last(self) -> Exchange:
        """The latest."""
        return self.exchanges[-1]

    async def wait(self) -> Exchange:
        """The latest, once there is one."""
        await self._told.wait()
        return self.last
