"""Opsgenie's Alert API v2 over HTTP."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final
from urllib.parse import unquote

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from shopwatch_engine.sandbox import opsgenie
from shopwatch_engine.sandbox.board import Board
from shopwatch_engine.sandbox.exchange import Answer, Exchange
from shopwatch_engine.sandbox.faults import Mode
from shopwatch_engine.sandbox.gate import Gate
from shopwatch_engine.sandbox.incident import SandboxIncident, Status

_WORDS: Final[Mapping[int, str]] = {
    400: "Could not parse JSON body",
    401: "Could not authenticate",
    403: "Key format is not valid!",
    404: "No handler found for the request",
    413: "Request body is too large",
    429: "You are making too many requests!",
}
_PREFIX: Final = "/v2/alerts"


class OpsgenieApi:
    """Everything under ``/v2/alerts``."""

    def __init__(self, board: Board, gate: Gate, clock: Callable[[], float]) -> None:
        self._board = board
        self._gate = gate
        self._clock = clock
        self._exchange = Exchange(pager=opsgenie.PAGER, board=board, gate=gate, clock=clock, refuse=_said)
        self.routes = (Route(f"{_PREFIX}{{rest:path}}", self._alerts, methods=["GET", "POST"]),)

    async def _alerts(self, request: Request) -> Response:
        return await self._exchange.run(request, self._handle)

    def _handle(self, request: Request, body: bytes) -> Answer:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme != "GenieKey" or not key.strip():
            return _refused(403 if scheme else 401)
        if request.method == "POST":
            return self._post(request, _segments(request), body, key)
        return self._get(_segments(request))

    def _post(self, request: Request, segments: list[str], body: bytes, key: str) -> Answer:
        match segments:
            case []:
                return self._accept(opsgenie.parse_create(body, new_alias=uuid.uuid4().hex), key)
            case [alias, verb] if verb in opsgenie.VERBS:
                return self._accept(opsgenie.parse_action(verb, self._alias(request, alias), body), key)
        return _refused(404)

    def _get(self, segments: list[str]) -> Answer:
        match segments:
            case ["requests", request_id]:
                return self._request_status(request_id)
            case [identifier]:
                return self._alert(identifier)
        return _refused(404)

    def _alias(self, request: Request, identifier: str) -> str:
        """The alias that an identifier means: itself, or that of the alert whose id it is."""
        if request.query_params.get("identifierType", "id") == "alias":
            return identifier
        alert = self._board.alert(identifier, self._clock())
        return alert.key if alert is not None and alert.id == identifier else ""

    def _accept(self, command: opsgenie.Command | opsgenie.Refused, key: str) -> Answer:
        if isinstance(command, opsgenie.Refused):
            body = {**_said(command.status), "message": command.message, "errors": dict(command.errors)}
            return Answer(status=command.status, body=body, effect="refused")
        discard = self._gate.fault.mode is Mode.DISCARD
        request_id = self._board.accept(command, key=key, at=self._clock(), discard=discard)
        return Answer(
            status=202,
            body={"result": "Request will be processed", "took": 0.001, "requestId": request_id},
            action=command.action,
            key=command.alias,
            effect="discarded" if discard else "accepted",
        )

    def _request_status(self, request_id: str) -> Answer:
        found = self._board.outcome(request_id, self._clock())
        if found is None:
            said = "Request not found. It might not be processed, yet."
            return Answer(
                status=404, body={**_said(404), "message": said}, action="GetRequest", key=request_id
            )
        at, outcome = found
        data = {
            "success": outcome.success,
            "action": outcome.action,
            "processedAt": _timestamp(at),
            "integrationId": "sandbox",
            "isSuccess": outcome.success,
            "status": outcome.status,
            "alertId": outcome.alert_id,
            "alias": outcome.alias,
        }
        body = {"data": data, "took": 0.001, "requestId": request_id}
        return Answer(status=200, body=body, action="GetRequest", key=request_id)

    def _alert(self, identifier: str) -> Answer:
        alert = self._board.alert(identifier, self._clock())
        if alert is None:
            body = {**_said(404), "message": f"Alert with identifier [{identifier}] does not exist"}
            return Answer(status=404, body=body, action="GetAlert", key=identifier)
        body = {"data": _alert_data(alert), "took": 0.001, "requestId": str(uuid.uuid4())}
        return Answer(status=200, body=body, action="GetAlert", key=alert.key)


def _segments(request: Request) -> list[str]:
    """What follows ``/v2/alerts``, each part decoded by itself: an alias may hold an encoded slash."""
    raw = request.scope["raw_path"].decode("ascii", "replace")
    return [unquote(part) for part in raw.removeprefix(_PREFIX).strip("/").split("/") if part]


def _refused(status: int) -> Answer:
    return Answer(status=status, body=_said(status), effect="refused")


def _said(status: int) -> dict[str, object]:
    message = _WORDS.get(status, f"The sandbox was told to answer {status}")
    return {"message": message, "took": 0.001, "requestId": str(uuid.uuid4())}


def _alert_data(alert: SandboxIncident) -> dict[str, object]:
    created = alert.events[0].payload
    details: dict[str, object] = {}
    for entry in alert.events:
        given = entry.payload.get("details")
        details.update(given if isinstance(given, dict) else {})
    return {
        "id": alert.id,
        "alias": alert.key,
        "message": alert.title,
        "status": "open" if alert.is_open else "closed",
        "acknowledged": alert.status is Status.ACKNOWLEDGED,
        "count": alert.count,
        "createdAt": _timestamp(alert.opened_at),
        "updatedAt": _timestamp(alert.events[-1].at),
        "priority": alert.severity,
        "tags": created.get("tags") or [],
        "source": created.get("source") or "",
        "entity": created.get("entity") or "",
        "description": created.get("description") or "",
        "details": details,
    }


def _timestamp(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
