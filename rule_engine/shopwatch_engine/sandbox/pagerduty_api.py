"""PagerDuty's Events API v2 over HTTP."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from shopwatch_engine.sandbox import pagerduty
from shopwatch_engine.sandbox.board import Board
from shopwatch_engine.sandbox.exchange import Answer, Exchange
from shopwatch_engine.sandbox.faults import Mode
from shopwatch_engine.sandbox.gate import Gate

_WORDS: Final[Mapping[int, tuple[str, str]]] = {
    400: ("invalid event", "Event object is invalid"),
    413: ("invalid event", "Event object is invalid"),
    429: ("throttle exceeded", "Requests for this service are arriving too quickly. Please retry later."),
}


class PagerDutyApi:
    """``POST /v2/enqueue`` and ``POST /v2/change/enqueue``."""

    def __init__(self, board: Board, gate: Gate, clock: Callable[[], float]) -> None:
        self._board = board
        self._gate = gate
        self._clock = clock
        self._exchange = Exchange(pager=pagerduty.PAGER, board=board, gate=gate, clock=clock, refuse=_refused)
        self.routes = (
            Route("/v2/enqueue", self._enqueue, methods=["POST"]),
            Route("/v2/change/enqueue", self._change, methods=["POST"]),
        )

    async def _enqueue(self, request: Request) -> Response:
        return await self._exchange.run(request, self._event)

    async def _change(self, request: Request) -> Response:
        return await self._exchange.run(request, _change_event)

    def _event(self, _: Request, body: bytes) -> Answer:
        event = pagerduty.parse(body, new_key=uuid.uuid4().hex)
        if isinstance(event, pagerduty.Refused):
            return Answer(status=400, body=event.answer(), effect="refused")
        discards = self._gate.fault.mode is Mode.DISCARD
        effect = "discarded" if discards else self._board.take(event, self._clock()).value
        accepted = {"status": "success", "message": "Event processed", "dedup_key": event.dedup_key}
        return Answer(status=202, body=accepted, action=event.action, key=event.dedup_key, effect=effect)


def _change_event(_: Request, body: bytes) -> Answer:
    refused = pagerduty.parse_change(body)
    if refused is not None:
        return Answer(status=400, body=refused.answer(), action="change", effect="refused")
    accepted = {"status": "success", "message": "Change event processed"}
    return Answer(status=202, body=accepted, action="change", effect="added")


def _refused(status: int) -> Mapping[str, object]:
    word, message = _WORDS.get(status, ("error", f"The sandbox was told to answer {status}"))
    return {"status": word, "message": message, "errors": [message]}
