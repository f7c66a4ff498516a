"""Asking the engine and the pagers' sandbox what they hold; and telling the sandbox how to behave."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import aiohttp

from shopwatch.catalogue import SERVICE_NAME, prometheus_label
from shopwatch_engine.demo.play import PAGERS, Page, SeenAlert

_TIMEOUT: Final = aiohttp.ClientTimeout(total=5)
_SERVICE: Final = prometheus_label(SERVICE_NAME)
TROUBLE: Final = (aiohttp.ClientError, TimeoutError, ValueError, KeyError)
"""What a look raises at somebody who is not there, or who answers something else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Eyes:
    """Looks at what runs.

    Args:
        session: the HTTP client.
        engine: address of the engine's API.
        sandbox: address of the sandbox.
        prometheus: address of Prometheus.
    """

    session: aiohttp.ClientSession
    engine: str
    sandbox: str
    prometheus: str

    async def alerts(self) -> tuple[SeenAlert, ...]:
        """The engine's alerts."""
        answer = await self._json(f"{self.engine}/api/v1/alerts")
        return tuple(_alert(one) for one in answer["data"]["alerts"])

    async def pages(self) -> tuple[Page, ...]:
        """What both pagers hold, oldest first."""
        found = [_page(one) for one in await self._json(f"{self.sandbox}/api/incidents")]
        return tuple(sorted(found, key=lambda page: page.opened_at))

    async def held_at(self) -> frozenset[str]:
        """The pagers that hold a request at the moment, neither answered nor processed."""
        requests = await self._json(f"{self.sandbox}/api/requests")
        return frozenset(one["pager"] for one in requests if one["held"])

    async def owed(self, alert: str) -> frozenset[str]:
        """The kinds of pager to which the engine owes the first page of an alert."""
        incidents = await self._json(f"{self.engine}/api/v1/incidents")
        return frozenset(
            delivery["integration"].split("/")[1]
            for incident in incidents
            if incident["group_labels"].get("alertname") == alert
            for delivery in incident["deliveries"]
            if delivery["action"] == "trigger" and delivery["state"] == "pending"
        )

    async def debts(self) -> int:
        """How many deliveries the engine owes."""
        incidents = await self._json(f"{self.engine}/api/v1/incidents")
        return sum(
            delivery["state"] == "pending" for incident in incidents for delivery in incident["deliveries"]
        )

    async def value(self, expr: str) -> float:
        """The sum of what Prometheus answers to an expression; 0 for nothing."""
        answer = await self._json(f"{self.prometheus}/api/v1/query", query=expr)
        return sum(float(one["value"][1]) for one in answer["data"]["result"])

    async def is_ready(self, url: str) -> bool:
        """Whether an address answers 200."""
        try:
            async with self.session.get(url, timeout=_TIMEOUT) as answer:
                return answer.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False

    async def behave(self, mode: str) -> None:
        """Tell both pagers how to behave: ``ok``, ``hang``."""
        for pager in PAGERS:
            await self._put(f"{self.sandbox}/control/{pager}", {"mode": mode})

    async def switch(self, url: str, *, on: bool) -> None:
        """Switch a fault of the shop on or off."""
        async with self.session.request("PUT" if on else "DELETE", url, timeout=_TIMEOUT) as answer:
            answer.raise_for_status()

    async def _json(self, url: str, **query: str) -> Any:  # noqa: ANN401 - JSON, read at once
        async with self.session.get(url, params=query, timeout=_TIMEOUT) as answer:
            answer.raise_for_status()
            return await answer.json(content_type=None)

    async def _put(self, url: str, body: Mapping[str, str]) -> None:
        async with self.session.put(url, json=body, timeout=_TIMEOUT) as answer:
            answer.raise_for_status()


def _alert(raw: Mapping[str, Any]) -> SeenAlert:
    labels = raw["labels"]
    return SeenAlert(
        name=labels.get("alertname", ""),
        service=labels.get(_SERVICE, ""),
        firing=raw["state"] == "firing",
        active_at=datetime.fromisoformat(raw["activeAt"]).timestamp(),
    )


def _page(raw: Mapping[str, Any]) -> Page:
    events = raw["events"]
    labels = _labels(event["payload"] for event in events)
    return Page(
        pager=raw["pager"],
        id=raw["id"],
        alert=labels.get("alertname", ""),
        service=labels.get(_SERVICE, ""),
        title=raw["title"],
        opened_at=raw["opened_at"],
        resolved_at=raw["resolved_at"],
        explained_at=next((event["at"] for event in events if event["traces"] or event["logs"]), None),
        traces=max((event["traces"] for event in events), default=0),
        logs=max((event["logs"] for event in events), default=0),
    )


def _labels(payloads: Iterable[Mapping[str, Any]]) -> Mapping[str, str]:
    """The labels of the alert that opened an incident, from the first payload that has any."""
    for payload in payloads:
        if "details" in payload:  # Opsgenie: labels stand among the details
            return {str(name): str(value) for name, value in payload["details"].items()}
        firing = payload.get("payload", {}).get("custom_details", {}).get("firing")
        if firing:
            return {"alertname": firing[0]["name"], **firing[0].get("labels", {})}
    return {}
