"""What a group of alerts owes its receiver's pagers, and when.

Alertmanager's timing: the first alert of a group waits ``group_wait`` for others; from then on the
group is looked at each ``group_interval``; what was told is told again after ``repeat_interval``.
A group whose alerts all ended before anybody was told ends in silence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Enum

from shopwatch_engine.core.board import AlertKey, Board, belongs, is_open
from shopwatch_engine.core.routing import Group
from shopwatch_engine.model import (
    Action,
    Alert,
    Changes,
    Delivery,
    Incident,
    IncidentStatus,
    Notification,
    NotifiedAlert,
    Receiver,
    Route,
)


class Reason(Enum):
    """Why a group's receiver is told something, or is not."""

    FIRST = "alerts fire of which nobody was told"
    NEW_ALERTS = "more alerts fire than were told"
    FEWER_ALERTS = "some of the alerts that were told have ended"
    ALL_ENDED = "all alerts that were told have ended"
    REPEAT = "the repeat interval has passed"
    NEVER_TOLD = "all alerts ended before anybody was told"
    NOTHING_NEW = "what was told still holds"


ACTIONS: Mapping[Reason, tuple[Action, ...]] = {
    Reason.FIRST: (Action.TRIGGER, Action.EVIDENCE),
    Reason.NEW_ALERTS: (Action.UPDATE,),
    Reason.FEWER_ALERTS: (Action.UPDATE,),
    Reason.ALL_ENDED: (Action.RESOLVE,),
    Reason.REPEAT: (Action.TRIGGER,),
    Reason.NEVER_TOLD: (),
    Reason.NOTHING_NEW: (),
}


def reason_to_tell(
    incident: Incident, firing: Iterable[str], *, now: float, repeat_interval_s: float
) -> Reason:
    """Why the receiver must be told, given the fingerprints of the alerts that fire now."""
    fires, told = frozenset(firing), frozenset(incident.notified_firing)
    if incident.notified_at is None:
        return Reason.FIRST if fires else Reason.NEVER_TOLD
    if not fires:
        return Reason.ALL_ENDED
    if fires - told:
        return Reason.NEW_ALERTS
    if told - fires:
        return Reason.FEWER_ALERTS
    if now - incident.notified_at >= repeat_interval_s:
        return Reason.REPEAT
    return Reason.NOTHING_NEW


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What is needed to write notifications: the receivers, and the addresses that pages link to."""

    receivers: Mapping[str, Receiver]
    external_url: str = ""
    generator_url: Callable[[str], str] = str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a pass or a look decides: a transaction, and groups that only move to their next look."""

    changes: Changes
    quiet: tuple[Incident, ...] = ()


def absorb(board: Board, desk: Desk, *, alerts: Iterable[Alert], now: float) -> Plan:
    """What follows from alerts that changed state: incidents begin, and groups that are due are told.

    The changes hold the alerts themselves too, so that one transaction has state, incidents and debts.
    """
    latest = {alert.key: alert for alert in alerts}
    touched = {group.dedup_key: group for alert in latest.values() for group in board.groups(alert.labels)}
    view = _View(board, latest)
    parts = [_touch(view, desk, group, now=now) for group in touched.values()]
    return _joined(board, latest, parts)


def flush(board: Board, desk: Desk, *, now: float) -> Plan:
    """What the groups that are due owe now."""
    view = _View(board, {})
    routes = _routes_by_key(board.root)
    parts = [_look(view, desk, routes, incident, now=now) for incident in board.due(now)]
    return _joined(board, {}, parts)


class _View:
    """The board as it will be once the pass is committed."""

    def __init__(self, board: Board, latest: Mapping[AlertKey, Alert]) -> None:
        self.board = board
        self._joining: dict[str, dict[AlertKey, Alert]] = {}
        for alert in latest.values():
            for group in board.groups(alert.labels):
                self._joining.setdefault(group.dedup_key, {})[alert.key] = alert

    def members(self, dedup_key: str) -> tuple[Alert, ...]:
        merged = {**self.board.members(dedup_key), **self._joining.get(dedup_key, {})}
        return tuple(
            sorted(
                (one for one in merged.values() if belongs(one)),
                key=lambda one: (one.active_at, one.labels.pairs),
            )
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    incident: Incident
    deliveries: tuple[Delivery, ...] = ()
    quiet: bool = False  # only the next look moved: not worth a transaction


def _touch(view: _View, desk: Desk, group: Group, *, now: float) -> _Part | None:
    incident = view.board.incidents.get(group.dedup_key)
    fires = any(alert.state.is_firing for alert in view.members(group.dedup_key))
    if incident is None or not is_open(incident):
        if not fires:
            return None
        incident = _begun(group, incident, now)
    if incident.flush_at is not None and incident.flush_at <= now:
        return _tell(view, desk, group.route, incident, now=now)
    return _Part(incident=incident)


def _begun(group: Group, before: Incident | None, now: float) -> Incident:
    return Incident(
        dedup_key=group.dedup_key,
        episode=before.episode + 1 if before else 1,
        receiver=group.route.receiver,
        route=group.route.key,
        group_labels=group.labels,
        status=IncidentStatus.WAITING,
        opened_at=now,
        flush_at=now + group.route.group_wait_s,
    )


def _look(
    view: _View, desk: Desk, routes: Mapping[tuple[str, str], Route], incident: Incident, *, now: float
) -> _Part:
    # A route that the configuration has no more: the incident is looked at with the root's intervals.
    route = routes.get((incident.route, incident.receiver), view.board.root)
    return _tell(view, desk, route, incident, now=now)


def _tell(view: _View, desk: Desk, route: Route, incident: Incident, *, now: float) -> _Part:
    members = view.members(incident.dedup_key)
    firing = tuple(sorted({one.labels.fingerprint for one in members if one.state.is_firing}))
    reason = reason_to_tell(incident, firing, now=now, repeat_interval_s=route.repeat_interval_s)
    if reason is Reason.NOTHING_NEW:
        return _Part(incident=replace(incident, flush_at=now + route.group_interval_s), quiet=True)
    notification = _notification(desk, incident, members, now=now)
    deliveries = _deliveries(desk, incident, ACTIONS[reason], notification, now=now)
    told = replace(
        incident,
        notifications=incident.notifications + len(ACTIONS[reason]),
        title=notification.title if members else incident.title,
        severity=notification.severity.value if members else incident.severity,
    )
    if reason in (Reason.ALL_ENDED, Reason.NEVER_TOLD):
        ended = replace(
            told, status=IncidentStatus.RESOLVED, resolved_at=now, flush_at=None, notified_firing=()
        )
        return _Part(incident=ended, deliveries=deliveries)
    triggered = replace(
        told,
        status=IncidentStatus.TRIGGERED,
        notified_at=now,
        notified_firing=firing,
        flush_at=now + route.group_interval_s,
    )
    return _Part(incident=triggered, deliveries=deliveries)


def _notification(desk: Desk, incident: Incident, members: Iterable[Alert], *, now: float) -> Notification:
    return Notification(
        dedup_key=incident.dedup_key,
        receiver=incident.receiver,
        group_labels=incident.group_labels,
        alerts=tuple(_notified(desk, alert) for alert in members),
        opened_at=incident.opened_at,
        at=now,
        external_url=desk.external_url,
    )


def _notified(desk: Desk, alert: Alert) -> NotifiedAlert:
    firing = alert.state.is_firing
    return NotifiedAlert(
        labels=alert.labels,
        annotations=alert.annotations,
        firing=firing,
        value=alert.value,
        starts_at=alert.fired_at if alert.fired_at is not None else alert.active_at,
        ends_at=None if firing else alert.resolved_at,
        expr=alert.expr,
        generator_url=desk.generator_url(alert.expr),
    )


def _deliveries(
    desk: Desk, incident: Incident, actions: tuple[Action, ...], notification: Notification, *, now: float
) -> tuple[Delivery, ...]:
    receiver = desk.receivers.get(incident.receiver, Receiver(name=incident.receiver))
    return tuple(
        Delivery(
            id=f"{incident.dedup_key}/{incident.episode}/{number}/{action.value}/{integration.id}",
            integration=integration.id,
            dedup_key=incident.dedup_key,
            episode=incident.episode,
            number=number,
            action=action,
            severity=notification.severity,
            notification=notification,
            created_at=now,
            next_attempt_at=now,
        )
        for number, action in enumerate(actions, start=incident.notifications + 1)
        for integration in receiver.integrations
        if action is not Action.RESOLVE or integration.send_resolved
    )


def _joined(board: Board, latest: Mapping[AlertKey, Alert], parts: Iterable[_Part | None]) -> Plan:
    kept = [part for part in parts if part is not None]
    told = {part.incident.dedup_key: part.incident for part in kept if not part.quiet}
    forgotten = _forgettable(board, latest, {**board.incidents, **told}, told)
    gone = frozenset(forgotten)
    changes = Changes(
        alerts=tuple(alert for alert in latest.values() if alert.key not in gone),
        forgotten=forgotten,
        incidents=tuple(one for key, one in told.items() if one != board.incidents.get(key)),
        deliveries=tuple(delivery for part in kept for delivery in part.deliveries),
    )
    return Plan(changes=changes, quiet=tuple(part.incident for part in kept if part.quiet))


def _forgettable(
    board: Board,
    latest: Mapping[AlertKey, Alert],
    incidents: Mapping[str, Incident],
    told: Iterable[str],
) -> tuple[AlertKey, ...]:
    """Resolved alerts that no incident still has to speak of."""
    candidates = {**{key: one for group in told for key, one in board.members(group).items()}, **latest}
    return tuple(
        key
        for key, alert in candidates.items()
        if not alert.state.is_firing
        and belongs(alert)
        and not any(_owes(incidents.get(group.dedup_key), alert) for group in board.groups(alert.labels))
    )


def _owes(incident: Incident | None, alert: Alert) -> bool:
    return incident is not None and is_open(incident) and alert.labels.fingerprint in incident.notified_firing


def _routes_by_key(root: Route) -> dict[tuple[str, str], Route]:
    found = {(root.key, root.receiver): root}
    for child in root.routes:
        found.update(_routes_by_key(child))
    return found
