"""Every statement, named; each is built once. Written for SQLite and Postgres alike.

Parameters: ``actions`` (a list of their values), ``without`` (a list of integrations), ``now``, ``limit``,
``until``, ``before``, ``seqs``, ``delivery``, ``key``, ``number``.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import BindParameter, and_, bindparam, case, delete, exists, func, select, tuple_, update

from shopwatch_engine.model import Action, DeliveryState, IncidentStatus
from shopwatch_engine.store.schema import DELIVERIES, INCIDENTS

_PENDING: Final = DELIVERIES.c.state == DeliveryState.PENDING.value
_NOW: Final[BindParameter[float]] = bindparam("now")
_WANTED: Final = and_(
    DELIVERIES.c.action.in_(bindparam("actions", expanding=True)),
    DELIVERIES.c.integration.not_in(bindparam("without", expanding=True)),
)
_UNCLAIMED: Final = DELIVERIES.c.claimed_until <= _NOW

_EARLIER: Final = DELIVERIES.alias("earlier")
_IS_HEAD: Final = ~exists().where(
    _EARLIER.c.state == DeliveryState.PENDING.value,
    _EARLIER.c.integration == DELIVERIES.c.integration,
    _EARLIER.c.dedup_key == DELIVERIES.c.dedup_key,
    _EARLIER.c.seq < DELIVERIES.c.seq,
)
_LATER: Final = DELIVERIES.alias("later")
_OVERTAKEN: Final = exists().where(
    _LATER.c.integration == DELIVERIES.c.integration,
    _LATER.c.dedup_key == DELIVERIES.c.dedup_key,
    _LATER.c.seq > DELIVERIES.c.seq,
    _LATER.c.action == Action.RESOLVE.value,
)
_NEWEST: Final = (
    select(INCIDENTS.c.dedup_key, func.max(INCIDENTS.c.episode).label("episode"))
    .group_by(INCIDENTS.c.dedup_key)
    .subquery()
)

LATEST_INCIDENTS: Final = select(INCIDENTS).join(
    _NEWEST, and_(INCIDENTS.c.dedup_key == _NEWEST.c.dedup_key, INCIDENTS.c.episode == _NEWEST.c.episode)
)
"""Of each dedup key the latest episode."""

NEWEST_INCIDENTS: Final = (
    select(INCIDENTS)
    .where(INCIDENTS.c.notified_at.is_not(None))
    .order_by(INCIDENTS.c.opened_at.desc())
    .limit(bindparam("limit"))
)
"""The incidents that somebody was told of, newest first."""

DELIVERIES_OF_INCIDENT: Final = (
    select(DELIVERIES)
    .where(DELIVERIES.c.dedup_key == bindparam("key"), DELIVERIES.c.episode == bindparam("number"))
    .order_by(DELIVERIES.c.seq)
)
"""An incident's deliveries, in order."""

SUPERSEDE: Final = (
    update(DELIVERIES)
    .where(
        _PENDING,
        _UNCLAIMED,
        DELIVERIES.c.action.in_([action.value for action in Action if action.supersedable]),
        _OVERTAKEN,
    )
    .values(state=DeliveryState.SUPERSEDED.value, settled_at=_NOW)
)
"""Updates and evidence that a later resolve overtook need not be sent."""

CLAIMABLE: Final = (
    select(DELIVERIES)
    .where(_WANTED, _PENDING, _UNCLAIMED, _IS_HEAD, DELIVERIES.c.next_attempt_at <= _NOW)
    .order_by(DELIVERIES.c.severity_rank, DELIVERIES.c.seq)
    .limit(bindparam("limit"))
)
"""Due deliveries, most severe first, then oldest; of one incident and integration the oldest."""

CLAIM: Final = (
    update(DELIVERIES)
    .where(DELIVERIES.c.seq.in_(bindparam("seqs", expanding=True)))
    .values(claimed_until=bindparam("until"))
)
"""Mark deliveries as taken until a time."""

NEXT_ATTEMPT_AT: Final = select(
    func.min(
        case(
            (DELIVERIES.c.next_attempt_at < DELIVERIES.c.claimed_until, DELIVERIES.c.claimed_until),
            else_=DELIVERIES.c.next_attempt_at,
        )
    )
).where(_WANTED, _PENDING, _IS_HEAD)
"""When the next delivery that may be taken is due."""

_OWED: Final = exists().where(
    DELIVERIES.c.dedup_key == INCIDENTS.c.dedup_key,
    DELIVERIES.c.episode == INCIDENTS.c.episode,
    _PENDING,
)
_IS_OLD: Final = and_(
    INCIDENTS.c.status == IncidentStatus.RESOLVED.value,
    INCIDENTS.c.resolved_at < bindparam("before"),
    ~_OWED,
)

PRUNE_DELIVERIES: Final = delete(DELIVERIES).where(
    tuple_(DELIVERIES.c.dedup_key, DELIVERIES.c.episode).in_(
        select(INCIDENTS.c.dedup_key, INCIDENTS.c.episode).where(_IS_OLD)
    )
)
"""Forget what was delivered for incidents that were resolved before a time."""

PRUNE_INCIDENTS: Final = delete(INCIDENTS).where(_IS_OLD)
"""Forget incidents that were resolved before a time."""

SETTLE: Final = (
    update(DELIVERIES)
    .where(DELIVERIES.c.id == bindparam("delivery"))
    .values(
        state=bindparam("state"),
        attempts=bindparam("attempts"),
        next_attempt_at=bindparam("next_attempt_at"),
        settled_at=bindparam("settled_at"),
        error=bindparam("error"),
        claimed_until=0.0,
    )
)
"""What became of a delivery; its claim ends."""

RELEASE_CLAIMS: Final = update(DELIVERIES).where(DELIVERIES.c.claimed_until > 0).values(claimed_until=0.0)
"""End the claims of an engine that is gone."""
