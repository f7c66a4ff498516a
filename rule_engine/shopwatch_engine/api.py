"""The engine's HTTP interface: health, metrics, alerts and incidents, runbooks and dashboards."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from shopwatch_engine.exceptions import StoreError
from shopwatch_engine.model import Alert, AlertState, IncidentRecord
from shopwatch_engine.ports import Store
from shopwatch_engine.runtime.engine import Engine

_STATES = {AlertState.PENDING: "pending", AlertState.FIRING: "firing", AlertState.KEEP_FIRING: "firing"}


def create_api(
    *,
    engine: Engine,
    store: Store,
    registry: CollectorRegistry,
    runbooks: tuple[Path, ...] = (),
    grafana: str = "",
) -> Starlette:
    """The application.

    Args:
        engine: whose alerts are shown.
        store: whose incidents are shown.
        registry: the engine's metrics.
        runbooks: folders that hold ``<alert name>.md``.
        grafana: address of the Grafana that has the dashboards, or nothing.
    """
    api = _Api(engine, store, registry, runbooks, grafana)
    return Starlette(
        routes=[
            Route("/-/healthy", api.healthy),
            Route("/-/ready", api.ready),
            Route("/metrics", api.metrics),
            Route("/api/v1/alerts", api.alerts),
            Route("/api/v1/incidents", api.incidents),
            Route("/runbooks/{name}", api.runbook),
            Route("/dashboards/{uid}", api.dashboard),
        ]
    )


class _Api:
    def __init__(
        self,
        engine: Engine,
        store: Store,
        registry: CollectorRegistry,
        runbooks: tuple[Path, ...],
        grafana: str,
    ) -> None:
        self._engine = engine
        self._store = store
        self._registry = registry
        self._runbooks = runbooks
        self._grafana = grafana.rstrip("/")

    async def healthy(self, _request: Request) -> Response:
        return PlainTextResponse("shopwatch is healthy\n")

    async def ready(self, _request: Request) -> Response:
        if self._engine.is_ready:
            return PlainTextResponse("shopwatch is ready\n")
        return PlainTextResponse("shopwatch is loading its state\n", status_code=503)

    async def metrics(self, request: Request) -> Response:
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(self._registry), headers={"content-type": content_type})

    async def alerts(self, _request: Request) -> Response:
        board = self._engine.board
        alerts = [] if board is None else [one for one in board.alerts() if one.state in _STATES]
        failing = (
            {} if board is None else {k: h for k, h in board.health.items() if h.failing_since is not None}
        )
        shown = [_alert(one, is_unknown=one.rule_id in failing) for one in alerts]
        return JSONResponse({"status": "success", "data": {"alerts": shown}})

    async def incidents(self, request: Request) -> Response:
        limit = _limit(request)
        try:
            found = await self._store.incidents(limit=limit)
        except StoreError as error:
            raise HTTPException(503, str(error)) from error
        return JSONResponse([incident_json(record) for record in found])

    async def runbook(self, request: Request) -> Response:
        name = str(request.path_params["name"])
        path = next((folder / f"{name}.md" for folder in self._runbooks if _is_inside(folder, name)), None)
        if path is None:
            raise HTTPException(404, f"no runbook {name!r}: write {name}.md into alert_rules/runbooks\n")
        return PlainTextResponse(path.read_text(encoding="utf-8"))

    async def dashboard(self, request: Request) -> Response:
        uid = str(request.path_params["uid"])
        if not self._grafana:
            raise HTTPException(404, "no Grafana is known to the engine: give --grafana URL\n")
        query = f"?{request.url.query}" if request.url.query else ""
        return RedirectResponse(f"{self._grafana}/d/{uid}{query}")


def incident_json(record: IncidentRecord) -> dict[str, Any]:
    """An incident with its deliveries, as the API and ``shopwatch incidents --json`` show it."""
    incident = record.incident
    return {
        "dedup_key": incident.dedup_key,
        "episode": incident.episode,
        "title": incident.title,
        "severity": incident.severity,
        "status": incident.status.value,
        "receiver": incident.receiver,
        "group_labels": incident.group_labels.as_dict(),
        "opened_at": iso(incident.opened_at),
        "resolved_at": None if incident.resolved_at is None else iso(incident.resolved_at),
        "deliveries": [
            {
                "integration": delivery.integration,
                "action": delivery.action.value,
                "state": delivery.state.value,
                "attempts": delivery.attempts,
                "settled_at": None if delivery.settled_at is None else iso(delivery.settled_at),
                "error": delivery.error,
            }
            for delivery in record.deliveries
        ],
    }


def iso(at: float) -> str:
    """A time as RFC 3339, UTC, milliseconds."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _alert(alert: Alert, *, is_unknown: bool) -> dict[str, Any]:
    return {
        "labels": alert.labels.as_dict(),
        "annotations": alert.annotations.as_dict(),
        "state": _STATES[alert.state],
        "activeAt": iso(alert.active_at),
        "value": f"{alert.value:e}",
        "unknown": is_unknown,
    }


def _limit(request: Request) -> int:
    text = request.query_params.get("limit", "100")
    if not text.isdecimal() or not 1 <= int(text) <= 1000:
        raise HTTPException(400, f"limit={text!r}: a whole number from 1 to 1000 was expected\n")
    return int(text)


def _is_inside(folder: Path, name: str) -> bool:
    return name.replace("_", "").replace("-", "").isalnum() and (folder / f"{name}.md").is_file()
