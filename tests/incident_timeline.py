"""A story of alerts told second by second, and what their receivers' pagers are owed for it.

The alerts are given; groups are looked at when they are due; every change goes through a store, so that the
story can go on from what was committed (``restart``).
"""

from __future__ import annotations

from alert_values import alert, integration, receiver, receivers, route
from shopwatch_engine.core.board import Board
from shopwatch_engine.core.incidents import Desk, Plan, absorb, flush
from shopwatch_engine.model import Alert, AlertState, Delivery, Receiver, Route, Snapshot
from shopwatch_engine.testing.store import MemoryStore

ONE_PAGER = receiver(integration())


class Timeline:
    """Alerts and incidents of one routing tree; times are seconds since the story began."""

    def __init__(self, root: Route | None = None, *those: Receiver) -> None:
        self.root = root or route()
        self.desk = Desk(receivers=receivers(*(those or (ONE_PAGER,))), external_url="https://watch.example")
        self.store = MemoryStore()
        self.board = Board(self.root, Snapshot())
        self.deliveries: list[Delivery] = []

    async def restart(self, root: Route | None = None) -> None:
        """Go on from what was committed, with another routing tree if one is given."""
        self.root = root or self.root
        self.board = Board(self.root, await self.store.load())

    async def fires(self, at: float, *names: str, **labels: str) -> None:
        await self.tell(at, *(alert(name, at=at, **labels) for name in names))

    async def ends(self, at: float, *names: str, **labels: str) -> None:
        await self.tell(at, *(alert(name, state=AlertState.RESOLVED, at=at, **labels) for name in names))

    async def pends(self, at: float, *names: str) -> None:
        await self.tell(at, *(alert(name, state=AlertState.PENDING, at=at) for name in names))

    async def tell(self, at: float, *alerts: Alert) -> None:
        """These alerts are in another state from ``at`` on."""
        await self.until(at)
        await self._take(absorb(self.board, self.desk, alerts=alerts, now=at))

    async def until(self, at: float) -> None:
        """Time passes; groups that are due are looked at."""
        while (due_at := self.board.next_flush_at()) is not None and due_at <= at:
            await self._take(flush(self.board, self.desk, now=due_at))

    async def look(self, at: float) -> None:
        """Look at the groups that are due, late as it may be."""
        await self._take(flush(self.board, self.desk, now=at))

    async def _take(self, plan: Plan) -> None:
        if plan.changes:
            await self.store.commit(plan.changes)
            self.board.apply(plan.changes)
        self.board.look_again(plan.quiet)
        self.deliveries.extend(plan.changes.deliveries)

    @property
    def told(self) -> list[str]:
        """``30 trigger A B``: when, what, and which alerts fire then."""
        return [_line(one) for one in self.deliveries]

    def told_to(self, integration_id: str) -> list[str]:
        """What one integration is owed."""
        return [_line(one) for one in self.deliveries if one.integration == integration_id]


def _line(one: Delivery) -> str:
    names = sorted(fires.labels.get("alertname") for fires in one.notification.firing)
    return " ".join((f"{one.created_at:g}", one.action.value, *names))
