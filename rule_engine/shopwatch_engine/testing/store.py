"""A store in memory, for tests and simulations. What it holds outlives the engine that uses it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import replace

from shopwatch_engine.model import (
    Action,
    Alert,
    Changes,
    Delivery,
    DeliveryState,
    Incident,
    IncidentRecord,
    LabelSet,
    RuleHealth,
    Snapshot,
)

Disturbance = Callable[[str], Awaitable[None]]
"""Called with the method's name before it acts; may wait, or raise StoreBusy."""


async def calm(_method: str) -> None:
    """The disturbance that is none."""


class MemoryStore:
    """`Store` in memory: each method acts at once, as a whole, after its disturbance has let it."""

    def __init__(self, disturb: Disturbance = calm) -> None:
        self.disturb = disturb
        self._alerts: dict[tuple[str, LabelSet], Alert] = {}
        self._health: dict[str, RuleHealth] = {}
        self._incidents: dict[tuple[str, int], Incident] = {}
        self._deliveries: dict[str, Delivery] = {}
        self._claims: dict[str, float] = {}

    def reopen(self) -> None:
        """As a new engine opens the store: claims of the one before lapse."""
        self._claims.clear()

    async def load(self) -> Snapshot:
        """Everything that was committed."""
        await self.disturb("load")
        latest: dict[str, Incident] = {}
        for _, incident in sorted(self._incidents.items(), key=lambda item: item[0][1]):
            latest[incident.dedup_key] = incident
        return Snapshot(
            alerts=tuple(self._alerts.values()),
            health=tuple(self._health.values()),
            incidents=tuple(latest.values()),
        )

    async def commit(self, changes: Changes) -> None:
        """Write all of it."""
        await self.disturb("commit")
        for key in changes.forgotten:
            self._alerts.pop(key, None)
        self._alerts.update({alert.key: alert for alert in changes.alerts})
        self._health.update({one.rule_id: one for one in changes.health})
        self._incidents.update({(one.dedup_key, one.episode): one for one in changes.incidents})
        for delivery in changes.deliveries:
            self._deliveries.setdefault(delivery.id, delivery)

    async def claim(
        self,
        *,
        actions: Sequence[Action],
        now: float,
        lease_s: float,
        limit: int,
        without: Collection[str] = (),
    ) -> tuple[Delivery, ...]:
        """Take due deliveries, most severe first, then oldest."""
        await self.disturb("claim")
        self._supersede(now)
        due = [
            one
            for one in self._heads(actions, without)
            if one.next_attempt_at <= now and self._is_free(one, now)
        ]
        taken = sorted(due, key=lambda one: one.severity.rank)[:limit]
        self._claims.update({one.id: now + lease_s for one in taken})
        return tuple(taken)

    async def settle(self, delivery: Delivery) -> None:
        """Write what became of a claimed delivery."""
        await self.disturb("settle")
        self._deliveries[delivery.id] = delivery
        self._claims.pop(delivery.id, None)

    async def next_attempt_at(
        self, *, actions: Sequence[Action], without: Collection[str] = ()
    ) -> float | None:
        """When the next pending delivery of these actions is due."""
        await self.disturb("next_attempt_at")
        times = (
            max(one.next_attempt_at, self._claims.get(one.id, 0.0)) for one in self._heads(actions, without)
        )
        return min(times, default=None)

    async def incidents(self, *, limit: int = 100) -> tuple[IncidentRecord, ...]:
        """The newest incidents with their deliveries."""
        await self.disturb("incidents")
        told = [one for one in self._incidents.values() if one.notified_at is not None]
        newest = sorted(told, key=lambda one: one.opened_at, reverse=True)[:limit]
        return tuple(IncidentRecord(incident=one, deliveries=self._owed(one)) for one in newest)

    async def prune(self, *, before: float) -> int:
        """Forget incidents that were resolved before a time, and their deliveries; how many incidents."""
        await self.disturb("prune")
        owed = {(one.dedup_key, one.episode) for one in self._pending()}
        old = {
            key
            for key, one in self._incidents.items()
            if one.resolved_at is not None and one.resolved_at < before and key not in owed
        }
        self._incidents = {key: one for key, one in self._incidents.items() if key not in old}
        self._deliveries = {
            name: one for name, one in self._deliveries.items() if (one.dedup_key, one.episode) not in old
        }
        return len(old)

    async def close(self) -> None:
        """Nothing to let go of."""

    def _owed(self, incident: Incident) -> tuple[Delivery, ...]:
        mine = (incident.dedup_key, incident.episode)
        return tuple(one for one in self._deliveries.values() if (one.dedup_key, one.episode) == mine)

    def _pending(self) -> list[Delivery]:
        return [one for one in self._deliveries.values() if one.state is DeliveryState.PENDING]

    def _heads(self, actions: Sequence[Action], without: Collection[str]) -> list[Delivery]:
        heads: dict[tuple[str, str], Delivery] = {}
        for one in self._pending():
            heads.setdefault((one.integration, one.dedup_key), one)
        return [one for one in heads.values() if one.action in actions and one.integration not in without]

    def _is_free(self, delivery: Delivery, now: float) -> bool:
        return self._claims.get(delivery.id, 0.0) <= now

    def _supersede(self, now: float) -> None:
        ended: set[tuple[str, str]] = set()
        for one in reversed(list(self._deliveries.values())):
            line = (one.integration, one.dedup_key)
            if one.action is Action.RESOLVE:
                ended.add(line)
            elif line in ended and self._is_overtaken(one, now):
                self._deliveries[one.id] = replace(one, state=DeliveryState.SUPERSEDED, settled_at=now)

    def _is_overtaken(self, delivery: Delivery, now: float) -> bool:
        pending = delivery.state is DeliveryState.PENDING
        return pending and delivery.action.supersedable and self._is_free(delivery, now)
