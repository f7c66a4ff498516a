"""The sandbox over HTTP: puts gates, pagers, controls and page behind one address."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from shopwatch_engine.sandbox import opsgenie, page, pagerduty
from shopwatch_engine.sandbox.board import Board, RequestRecord
from shopwatch_engine.sandbox.faults import Fault, parse_fault
from shopwatch_engine.sandbox.gate import Gate
from shopwatch_engine.sandbox.incident import SandboxIncident, as_json
from shopwatch_engine.sandbox.opsgenie_api import OpsgenieApi
from shopwatch_engine.sandbox.pagerduty_api import PagerDutyApi
from shopwatch_engine.sandbox.wire import Wires

PAGERS: Final = (pagerduty.PAGER, opsgenie.PAGER)


class Sandbox:
    """Both pagers, in memory, with the controls to break them.

    Args:
        rate_limit: requests a minute that each pager takes; 0: as many as come.
        process_delay_s: seconds that Opsgenie takes to process what it accepted.
        clock: the time, seconds since the epoch.
    """

    def __init__(
        self,
        *,
        rate_limit: int = 0,
        process_delay_s: float = 0.1,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._clock = clock
        self.wires = Wires()
        self._board = Board(process_delay_s=process_delay_s)
        self._gates = {
            pager: Gate(per_minute=rate_limit, clock=clock, cut=self.wires.cut) for pager in PAGERS
        }
        pagerduty_api = PagerDutyApi(self._board, self._gates[pagerduty.PAGER], clock)
        opsgenie_api = OpsgenieApi(self._board, self._gates[opsgenie.PAGER], clock)
        self.app = Starlette(
            routes=[
                Route("/", self._page),
                Route("/fragment", self._fragment),
                Route("/incidents/{id}/{verb}", self._act, methods=["POST"]),
                Route("/healthz", _healthy),
                Route("/api/incidents", self._api_incidents, methods=["GET", "DELETE"]),
                Route("/api/requests", self._api_requests),
                Route("/control", self._control),
                Route("/control/{pager}", self._control_pager, methods=["PUT"]),
                *pagerduty_api.routes,
                *opsgenie_api.routes,
            ]
        )

    # ---------------------------------------------------------------- in process
    def incidents(self) -> tuple[SandboxIncident, ...]:
        """What both pagers hold, newest first."""
        return self._board.incidents(self._clock())

    def requests(self) -> tuple[RequestRecord, ...]:
        """Every request to a pager, oldest first."""
        return self._board.requests()

    def set_fault(self, pager: str, fault: Fault) -> None:
        """Make ``pagerduty`` or ``opsgenie`` behave so from now on."""
        self._gates[pager].set(fault)

    def forget(self) -> None:
        """Forget all incidents and requests; faults stay."""
        self._board.forget()

    # ---------------------------------------------------------------- page
    async def _page(self, request: Request) -> Response:
        html = page.render(self.incidents(), self._faults(), address=_address(request))
        return HTMLResponse(html, headers=page.HEADERS)

    async def _fragment(self, request: Request) -> Response:
        html = page.render_board(self.incidents(), self._faults(), address=_address(request))
        return HTMLResponse(html, headers=page.HEADERS)

    async def _act(self, request: Request) -> Response:
        verb, incident_id = request.path_params["verb"], request.path_params["id"]
        if verb not in ("acknowledge", "resolve"):
            return PlainTextResponse("expected acknowledge or resolve", status_code=404)
        if not _same_origin(request):
            return PlainTextResponse("this form was sent from another site's page", status_code=403)
        self._board.act_by_hand(incident_id, resolve=verb == "resolve", at=self._clock())
        return RedirectResponse("/", status_code=303)

    # ---------------------------------------------------------------- for programs
    async def _api_incidents(self, request: Request) -> Response:
        if request.method == "DELETE":
            self.forget()
            return Response(status_code=204)
        return JSONResponse([as_json(incident) for incident in self.incidents()])

    async def _api_requests(self, _: Request) -> Response:
        return JSONResponse([record.as_json() for record in self.requests()])

    async def _control(self, _: Request) -> Response:
        return JSONResponse({pager: fault.as_json() for pager, fault in self._faults().items()})

    async def _control_pager(self, request: Request) -> Response:
        pager = request.path_params["pager"]
        if pager not in self._gates:
            return JSONResponse({"error": f"no pager {pager!r}, expected one of {', '.join(PAGERS)}"}, 404)
        try:
            fault = parse_fault(json.loads(await request.body()))
        except ValueError as error:
            return JSONResponse({"error": str(error)}, 400)
        self.set_fault(pager, fault)
        return JSONResponse(fault.as_json())

    def _faults(self) -> Mapping[str, Fault]:
        return {pager: gate.fault for pager, gate in self._gates.items()}


def _address(request: Request) -> str:
    """Where the client found us."""
    return f"{request.scope['scheme']}://{request.headers.get('host', 'localhost')}"


async def _healthy(_: Request) -> Response:
    return PlainTextResponse("ok")


def _same_origin(request: Request) -> bool:
    """Whether the form comes from our own page: a browser says so, a program says nothing."""
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == request.headers.get("host")
