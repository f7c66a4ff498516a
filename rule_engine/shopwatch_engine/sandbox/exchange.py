"""One request to a pager from its arrival to its answer, noted all the way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from shopwatch_engine.sandbox.board import Board
from shopwatch_engine.sandbox.faults import Mode
from shopwatch_engine.sandbox.gate import Gate

BODY_LIMIT: Final = 4 * 1024 * 1024
"""Bytes of a request that are read; none of the pagers takes as many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a pager answers, and what is noted of it."""

    status: int
    body: Mapping[str, object]
    action: str = ""
    key: str = ""
    effect: str = ""


Handle = Callable[[Request, bytes], Answer]
"""A pager's work: from a request and its body to the answer."""
Refuse = Callable[[int], Mapping[str, object]]
"""A pager's own words for a status."""


class Exchange:
    """Runs requests through a pager's gate.

    Args:
        pager: its name, for the notes.
        board: where the notes go.
        gate: the pager's fault and rate limit.
        clock: the time, seconds since the epoch.
        refuse: the body that the pager answers with a status of refusal.
    """

    def __init__(
        self, *, pager: str, board: Board, gate: Gate, clock: Callable[[], float], refuse: Refuse
    ) -> None:
        self._pager = pager
        self._board = board
        self._gate = gate
        self._clock = clock
        self._refuse = refuse

    async def run(self, request: Request, handle: Handle) -> Response:
        """Answer a request: as the gate wants, else as ``handle`` does."""
        number = self._board.arrived(
            at=self._clock(), pager=self._pager, method=request.method, path=request.scope["path"]
        )
        try:
            body = await _body(request)
        except ClientDisconnect:
            return Response()  # nobody is there to read it
        if not await self._gate.wait(request, lambda: self._board.note(number, held=True)):
            self._board.note(number, held=False, effect="connection closed", answered_at=self._clock())
            return Response()  # goes nowhere: the connection is closed
        answer = self._refusal(len(body)) or handle(request, body)
        self._board.note(
            number,
            held=False,
            action=answer.action,
            key=answer.key,
            effect=answer.effect,
            status=answer.status,
            answered_at=self._clock(),
        )
        if self._gate.fault.mode is Mode.SLOW:
            await asyncio.sleep(self._gate.fault.seconds)
        return JSONResponse(dict(answer.body), answer.status, headers=self._headers(answer.status))

    def _refusal(self, length: int) -> Answer | None:
        """The answer of a pager that does not get to its work."""
        status = _STATUS.get(self._gate.fault.mode, 0) or (
            self._gate.fault.status if self._gate.fault.mode is Mode.FAIL else 0
        )
        if not status and not self._gate.within_limit():
            status = 429
        if not status and length > BODY_LIMIT:
            status = 413
        return Answer(status=status, body=self._refuse(status), effect="refused") if status else None

    def _headers(self, status: int) -> dict[str, str]:
        retry_after = self._gate.fault.retry_after
        if retry_after is None or status < 400:
            return {}
        return {"Retry-After": retry_after if isinstance(retry_after, str) else f"{retry_after:g}"}


_STATUS: Final = {Mode.LIMIT: 429, Mode.REFUSE: 400}


async def _body(request: Request) -> bytes:
    """The body, or as much of it as shows that it is too long."""
    body = bytearray()
    async for chunk in request.stream():
        if len(body) <= BODY_LIMIT:
            body += chunk
    return bytes(body)
