"""Every statement, named. Written for SQLite and Postgres alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, Update, and_, case, exists, func, select, update
from sqlalchemy.sql import ColumnElement

from shopwatch_engine.model import Action, DeliveryState
from shopwatch_engine.store.schema import DELIVERIES, INCIDENTS

_PENDING = DeliveryState.PENDING.value


def latest_incidents() -> Select[Any]:
    """Of each dedup key the latest episode."""
    newest = select(INCIDENTS.c.dedup_key, func.max(INCIDENTS.c.episode).label("episode"))
    newest_of = newest.group_by(INCIDENTS.c.dedup_key).subquery()
    same = and_(INCIDENTS.c.dedup_key == newest_of.c.dedup_key, INCIDENTS.c.episode == newest_of.c.episode)
    return select(INCIDENTS).join(newest_of, same)


def newest_incidents(limit: int) -> Select[Any]:
    """The incidents that somebody was told of, newest first."""
    told = INCIDENTS.c.notified_at.is_not(None)
    return select(INCIDENTS).where(told).order_by(INCIDENTS.c.opened_at.desc()).limit(limit)


def deliveries_of(dedup_key: str, episode: int) -> Select[Any]:
    """An incident's deliveries, in order."""
    mine = and_(DELIVERIES.c.dedup_key == dedup_key, DELIVERIES.c.episode == episode)
    return select(DELIVERIES).where(mine).order_by(DELIVERIES.c.seq)


def supersede(now: float) -> Update:
    """Updates and evidence that a later resolve overtook need not be sent."""
    later = DELIVERIES.alias("later")
    overtaken = exists().where(
        later.c.integration == DELIVERIES.c.integration,
        later.c.dedup_key == DELIVERIES.c.dedup_key,
        later.c.seq > DELIVERIES.c.seq,
        later.c.action == Action.RESOLVE.value,
    )
    pointless = [action.value for action in Action if action.supersedable]
    return (
        update(DELIVERIES)
        .where(_free(now), DELIVERIES.c.action.in_(pointless), overtaken)
        .values(state=DeliveryState.SUPERSEDED.value, settled_at=now)
    )


def claimable(actions: Sequence[Action], now: float, limit: int) -> Select[Any]:
    """Due deliveries, most severe first, then oldest; of one incident and integration the oldest."""
    due = and_(_of(actions), _free(now), _is_head(), DELIVERIES.c.next_attempt_at <= now)
    order = (DELIVERIES.c.severity_rank, DELIVERIES.c.seq)
    return select(DELIVERIES).where(due).order_by(*order).limit(limit)


def claim(seqs: Sequence[int], until: float) -> Update:
    """Mark deliveries as taken until a time."""
    return update(DELIVERIES).where(DELIVERIES.c.seq.in_(seqs)).values(claimed_until=until)


def next_attempt_at(actions: Sequence[Action]) -> Select[Any]:
    """When the next delivery that may be taken is due."""
    waits = DELIVERIES.c.next_attempt_at < DELIVERIES.c.claimed_until
    when = case((waits, DELIVERIES.c.claimed_until), else_=DELIVERIES.c.next_attempt_at)
    head = and_(_of(actions), DELIVERIES.c.state == _PENDING, _is_head())
    return select(func.min(when)).where(head)


def settle(delivery_id: str, values: dict[str, Any]) -> Update:
    """What became of a delivery; its claim ends."""
    return update(DELIVERIES).where(DELIVERIES.c.id == delivery_id).values(**values, claimed_until=0.0)


def release_claims() -> Update:
    """End the claims of an engine that is gone."""
    return update(DELIVERIES).where(DELIVERIES.c.claimed_until > 0).values(claimed_until=0.0)


def _of(actions: Sequence[Action]) -> ColumnElement[bool]:
    return DELIVERIES.c.action.in_([action.value for action in actions])


def _free(now: float) -> ColumnElement[bool]:
    return and_(DELIVERIES.c.state == _PENDING, DELIVERIES.c.claimed_until <= now)


def _is_head() -> ColumnElement[bool]:
    earlier = DELIVERIES.alias("earlier")
    return ~exists().where(
        earlier.c.state == _PENDING,
        earlier.c.integration == DELIVERIES.c.integration,
        earlier.c.dedup_key == DELIVERIES.c.dedup_key,
        earlier.c.seq < DELIVERIES.c.seq,
    )
