"""Connections as the sandbox needs them: it must be able to cut one off without an answer.

ASGI has no word for that, so the server's protocol tells which transport belongs to which client.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from typing import Final

from uvicorn.protocols.http.h11_impl import H11Protocol

_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)  # SO_LINGER on, for 0 s: close sends RST


class Wires:
    """The open connections, by the client's address as ASGI's scope names it."""

    def __init__(self) -> None:
        self._transports: dict[tuple[str, int], asyncio.Transport] = {}

    def protocol(self) -> type[H11Protocol]:
        """The HTTP protocol to give to uvicorn."""
        transports = self._transports

        class Wire(H11Protocol):
            def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as H11Protocol has it
                super().connection_made(transport)
                if self.client is not None:
                    transports[self.client] = transport

            def connection_lost(self, exc: Exception | None) -> None:
                if self.client is not None:
                    transports.pop(self.client, None)
                super().connection_lost(exc)

        return Wire

    def cut(self, client: tuple[str, int] | None) -> None:
        """Close a client's connection at once, with a TCP reset."""
        transport = self._transports.get(client) if client else None
        if transport is None:
            return
        wire: socket.socket | None = transport.get_extra_info("socket")
        if wire is not None:
            with contextlib.suppress(OSError):  # it is closed already
                wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        transport.abort()
