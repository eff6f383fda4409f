"""A provider's listening socket, which can be closed and opened again on the same port."""

import asyncio
import ssl
from contextlib import suppress

from aiohttp import web


class Listener:
    """Accepts the connections of one provider. `port` 0 takes a free one at the first `open` and keeps it."""

    def __init__(self, server: web.Server, host: str, port: int, tls: ssl.SSLContext | None) -> None:
        self._server = server
        self._host = host
        self._tls = tls
        self._listening: asyncio.Server | None = None
        self.port = port

    @property
    def is_open(self) -> bool:
        """Whether it accepts connections."""
        return self._listening is not None

    async def open(self) -> None:
        """Listen. Raises OSError when the port is taken."""
        if self._listening is None:
            loop = asyncio.get_running_loop()
            # The field's usual maximum; a benchmark opens hundreds of connections at once.
            self._listening = await loop.create_server(
                self._server, self._host, self.port, ssl=self._tls, backlog=1024
            )
            self.port = self._listening.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stop listening and drop every connection, also those that wait for their next request."""
        listening, self._listening = self._listening, None
        if listening is None:
            return
        listening.close()
        for connection in self._server.connections:
            if connection.transport is not None:
                connection.transport.abort()
        with suppress(TimeoutError):
            # The transports are gone after the next turns of the loop; wait for the port to be free again.
            await asyncio.wait_for(listening.wait_closed(), 1)
