"""WebSockets: how many are open, how long each was, and how it ended."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from shopwatch import catalogue
from shopwatch.telemetry import Telemetry
from shopwatch.tracing import error_type

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_CODES: Final = frozenset((*range(1_000, 1_016), *range(3_000, 3_004)))  # RFC 6455, section 7.4, and IANA's
_NO_CODE: Final = 1005  # RFC 6455, section 7.4.1: a close that names none


class WebSockets:
    """Measures WebSockets.

    Args:
        telemetry: of the service.
    """

    def __init__(self, telemetry: Telemetry) -> None:
        bound = telemetry.instruments.bound
        self._guard = telemetry.guard
        self._active = bound(catalogue.WEBSOCKET_ACTIVE).series(())
        self._durations = bound(catalogue.WEBSOCKET_DURATION)

    async def serve(
        self,
        run: Callable[[Receive, Send], Awaitable[None]],
        receive: Receive,
        send: Send,
        route: Callable[[], str],
    ) -> None:
        """Run one connection to its end; ``route`` tells its template then."""
        closed: list[int] = []

        async def received() -> Message:
            message = await receive()
            if message["type"] == "websocket.disconnect":
                closed.append(message.get("code") or _NO_CODE)
            return message

        async def sent(message: Message) -> None:
            if message["type"] == "websocket.close":
                closed.append(message.get("code") or 1_000)
            await send(message)

        failure, started = "", time.perf_counter()
        self._active.inc()
        try:
            await run(received, sent)
        except BaseException as error:
            failure = error_type(error)
            raise
        finally:
            self._active.dec()
            with self._guard.over("recording a WebSocket"):
                code = closed[0] if closed else None
                values = (route(), _shown(code), failure)
                self._durations.series(values).observe(time.perf_counter() - started)


def _shown(code: int | None) -> str:
    """The code; those that an application makes up (RFC 6455, section 7.4.2) are one."""
    if code is None:
        return ""
    return str(code) if code in _CODES else catalogue.OTHER
