"""A delivery: one row of the outbox, one thing that one pager is owed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from shopwatch_engine.model.notification import Notification
from shopwatch_engine.model.severity import Severity


class Action(Enum):
    """What a pager is asked to do."""

    TRIGGER = "trigger"
    UPDATE = "update"
    EVIDENCE = "evidence"  # its content is gathered when its turn comes
    RESOLVE = "resolve"

    @property
    def supersedable(self) -> bool:
        """Whether a later resolve makes it pointless. Triggers and resolves are always sent."""
        return self in (Action.UPDATE, Action.EVIDENCE)


class DeliveryState(Enum):
    """Where a delivery stands."""

    PENDING = "pending"
    DELIVERED = "delivered"
    SUPERSEDED = "superseded"
    DEAD = "dead"  # refused for good, kept and shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One thing owed to one pager.

    ``id`` is deterministic ("<dedup_key>/<episode>/<number>/<action>/<integration>"), so the same
    debt cannot be written twice. Deliveries of one incident to one integration leave in order.
    """

    id: str
    integration: str
    dedup_key: str
    episode: int
    number: int
    action: Action
    severity: Severity
    notification: Notification
    created_at: float
    next_attempt_at: float
    state: DeliveryState = DeliveryState.PENDING
    attempts: int = 0
    settled_at: float | None = None
    error: str = ""
