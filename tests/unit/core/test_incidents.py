"""Why a receiver is told, and what a notification and a delivery say."""

from __future__ import annotations

from dataclasses import replace

import pytest

from alert_values import OPSGENIE, PAGERDUTY, alert, incident, integration, labels, receiver, receivers, route
from shopwatch_engine.core.board import Board
from shopwatch_engine.core.incidents import ACTIONS, Desk, Plan, Reason, absorb, flush, reason_to_tell
from shopwatch_engine.core.routing import dedup_key
from shopwatch_engine.model import (
    Action,
    Alert,
    AlertState,
    Incident,
    IncidentStatus,
    Notification,
    Severity,
    Snapshot,
)

TOLD = incident(notified_at=1000.0, notified_firing=("a", "b"))
NEW = incident(status=IncidentStatus.WAITING, notified_at=None, notified_firing=())
REASONS = {
    "nobody was told and something fires": (NEW, "a", 1000.0, Reason.FIRST),
    "nobody was told and nothing fires": (NEW, "", 1000.0, Reason.NEVER_TOLD),
    "the same fires": (TOLD, "ab", 1001.0, Reason.NOTHING_NEW),
    "one more": (TOLD, "abc", 1001.0, Reason.NEW_ALERTS),
    "another one instead": (TOLD, "ac", 1001.0, Reason.NEW_ALERTS),
    "all others": (TOLD, "c", 1001.0, Reason.NEW_ALERTS),
    "one less": (TOLD, "a", 1001.0, Reason.FEWER_ALERTS),
    "none": (TOLD, "", 1001.0, Reason.ALL_ENDED),
    "just before the repeat interval": (TOLD, "ab", 4599.9, Reason.NOTHING_NEW),
    "at the repeat interval": (TOLD, "ab", 4600.0, Reason.REPEAT),
    "news go before a repeat": (TOLD, "abc", 9000.0, Reason.NEW_ALERTS),
    "the end goes before a repeat": (TOLD, "", 9000.0, Reason.ALL_ENDED),
    "a clock set back repeats nothing": (TOLD, "ab", 500.0, Reason.NOTHING_NEW),
}


@pytest.mark.parametrize(("before", "firing", "now", "wanted"), REASONS.values(), ids=REASONS)
def test_why_a_receiver_is_told(before: Incident, firing: str, now: float, wanted: Reason) -> None:
    assert reason_to_tell(before, firing, now=now, repeat_interval_s=3600.0) is wanted


def test_every_reason_is_reached_and_says_what_to_do() -> None:
    assert {row[3] for row in REASONS.values()} == set(Reason) == set(ACTIONS)


DESK = Desk(
    receivers=receivers(receiver(integration(), integration(OPSGENIE))),
    external_url="https://watch.example",
    generator_url=lambda expr: f"https://prometheus.example/graph?g0.expr={expr}",
)
ROOT = route(group_by=("alertname",), group_wait_s=0.0)


def board_with(*alerts: Alert) -> Board:
    return Board(ROOT, Snapshot(alerts=alerts))


def absorbed(board: Board, *alerts: Alert, now: float = 100.0) -> Plan:
    plan = absorb(board, DESK, alerts=alerts, now=now)
    board.apply(plan.changes)
    return plan


def test_one_transaction_holds_state_incident_and_debts() -> None:
    fires = alert(at=100.0)
    changes = absorbed(board_with(), fires).changes
    assert changes.alerts == (fires,)
    assert [one.status for one in changes.incidents] == [IncidentStatus.TRIGGERED]
    assert [(one.action, one.integration) for one in changes.deliveries] == [
        (Action.TRIGGER, PAGERDUTY),
        (Action.TRIGGER, OPSGENIE),
        (Action.EVIDENCE, PAGERDUTY),
        (Action.EVIDENCE, OPSGENIE),
    ]


def test_delivery_ids_follow_from_what_they_are() -> None:
    key = dedup_key(ROOT, labels(alertname="HighErrorRate"))
    plans = [absorbed(board_with(), alert(at=100.0)) for _ in range(2)]
    ids = [[one.id for one in plan.changes.deliveries] for plan in plans]
    assert (
        ids[0]
        == ids[1]
        == [
            f"{key}/1/1/trigger/{PAGERDUTY}",
            f"{key}/1/1/trigger/{OPSGENIE}",
            f"{key}/1/2/evidence/{PAGERDUTY}",
            f"{key}/1/2/evidence/{OPSGENIE}",
        ]
    )


def told(plan: Plan) -> Notification:
    return plan.changes.deliveries[0].notification


def test_a_notification_says_what_fires_since_when_and_where_to_look() -> None:
    fires = replace(alert(at=90.0, service="orders"), active_at=30.0, value=0.4)
    notification = told(absorbed(board_with(), fires))
    (said,) = notification.alerts
    assert (said.labels, said.annotations, said.value) == (fires.labels, fires.annotations, 0.4)
    assert (said.firing, said.starts_at, said.ends_at) == (True, 90.0, None)
    assert said.generator_url == f"https://prometheus.example/graph?g0.expr={fires.expr}"
    assert notification.external_url == "https://watch.example"
    assert (notification.receiver, notification.group_labels) == (
        "on-call",
        labels(alertname="HighErrorRate"),
    )
    assert (notification.opened_at, notification.at) == (100.0, 100.0)


def test_a_resolve_says_what_ended_and_when() -> None:
    board = board_with()
    fires = alert(at=100.0)
    absorbed(board, fires)
    ended = replace(fires, state=AlertState.RESOLVED, resolved_at=150.0)
    plan = absorbed(board, ended, now=1000.0)
    (said,) = told(plan).alerts
    assert (said.firing, said.starts_at, said.ends_at) == (False, 100.0, 150.0)
    assert {one.action for one in plan.changes.deliveries} == {Action.RESOLVE}
    assert plan.changes.forgotten == (fires.key,)
    assert plan.changes.alerts == ()


def test_alerts_stand_in_the_order_in_which_they_began() -> None:
    later, earlier = alert(at=90.0, zone="a"), alert(at=50.0, zone="b")
    notification = told(absorbed(board_with(), later, earlier))
    assert [one.labels.get("zone") for one in notification.alerts] == ["b", "a"]


def test_an_update_tells_of_the_ends_too() -> None:
    board = board_with()
    one, other = alert(at=100.0, zone="a"), alert(at=100.0, zone="b")
    absorbed(board, one, other)
    plan = absorbed(board, replace(one, state=AlertState.RESOLVED, resolved_at=150.0), now=1000.0)
    assert [(each.labels.get("zone"), each.firing) for each in told(plan).alerts] == [
        ("a", False),
        ("b", True),
    ]
    assert {each.action for each in plan.changes.deliveries} == {Action.UPDATE}


def test_the_worst_of_those_that_fire_is_the_severity() -> None:
    board = board_with()
    critical = alert(at=100.0, zone="a")
    mild = replace(alert(at=100.0), labels=labels(alertname="HighErrorRate", severity="warning"))
    first = absorbed(board, critical, mild)
    assert first.changes.deliveries[0].severity is Severity.CRITICAL
    assert [one.severity for one in first.changes.incidents] == ["critical"]
    second = absorbed(board, replace(critical, state=AlertState.RESOLVED, resolved_at=150.0), now=1000.0)
    assert second.changes.deliveries[0].severity is Severity.WARNING


def test_the_incident_carries_the_title_of_its_page() -> None:
    (opened,) = absorbed(board_with(), alert(at=100.0), alert(at=100.0, zone="b")).changes.incidents
    assert opened.title == "HighErrorRate is there (+1 more)"


def test_an_end_that_cannot_be_told_in_words_keeps_the_title() -> None:
    """The alert is pending again, so that the group has no member left."""
    board = board_with()
    absorbed(board, alert(at=100.0))
    plan = absorbed(board, alert(state=AlertState.PENDING, at=900.0), now=1000.0)
    (ended,) = plan.changes.incidents
    assert (ended.status, ended.title, ended.severity) == (
        IncidentStatus.RESOLVED,
        "HighErrorRate is there",
        "critical",
    )
    assert {one.action for one in plan.changes.deliveries} == {Action.RESOLVE}


def test_an_unknown_receiver_has_no_pagers() -> None:
    plan = absorb(board_with(), Desk(receivers={}), alerts=[alert(at=100.0)], now=100.0)
    assert plan.changes.deliveries == ()
    assert [one.status for one in plan.changes.incidents] == [IncidentStatus.TRIGGERED]


def test_nothing_that_changed_is_nothing_to_write() -> None:
    assert not absorb(board_with(), DESK, alerts=[], now=100.0).changes
    plan = flush(board_with(alert(at=50.0)), DESK, now=100.0)
    assert not plan.changes
    assert plan.quiet == ()


def test_an_end_nobody_heard_of_is_forgotten_at_once() -> None:
    ended = alert(state=AlertState.RESOLVED, at=100.0)
    changes = absorbed(board_with(), ended).changes
    assert (changes.forgotten, changes.alerts, changes.incidents) == ((ended.key,), (), ())
