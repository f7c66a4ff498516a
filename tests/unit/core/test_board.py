"""What is tracked, and how a transaction changes it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from alert_values import alert, incident, labels, route
from shopwatch_engine.core.board import Board, belongs, is_open
from shopwatch_engine.model import AlertState, Changes, IncidentStatus, RuleHealth, Snapshot
from shopwatch_engine.model.routing import MatchSpec

ROOT = route(group_by=("zone",))


def key_of(board: Board, zone: str) -> str:
    return board.groups(alert(zone=zone).labels)[0].dedup_key


def test_a_board_is_its_snapshot() -> None:
    one, other = alert(zone="a"), alert("Slow", zone="b")
    ill = RuleHealth(rule_id="shop/Slow", failing_since=1.0)
    board = Board(ROOT, Snapshot(alerts=(one, other), health=(ill,), incidents=(incident(),)))
    assert set(board.alerts()) == {one, other}
    assert set(board.rule_ids()) == {"shop/HighErrorRate", "shop/Slow"}
    assert board.tracked("shop/Slow") == {other.labels: other}
    assert board.tracked("shop/Unknown") == {}
    assert board.health == {"shop/Slow": ill}
    assert board.incidents == {"key-1": incident()}


@pytest.mark.parametrize("state", list(AlertState), ids=lambda state: state.value)
def test_members_of_a_group_fire_or_have_an_end_to_tell(state: AlertState) -> None:
    one = alert(state=state, zone="a")
    board = Board(ROOT, Snapshot(alerts=(one,)))
    is_member = state in (AlertState.FIRING, AlertState.KEEP_FIRING, AlertState.RESOLVED)
    assert belongs(one) is is_member
    assert (one.key in board.members(key_of(board, "a"))) is is_member


def test_an_alert_that_pends_again_leaves_its_group() -> None:
    board = Board(ROOT, Snapshot(alerts=(alert(state=AlertState.RESOLVED, zone="a"),)))
    board.apply(Changes(alerts=(alert(state=AlertState.PENDING, zone="a"),)))
    assert board.members(key_of(board, "a")) == {}
    assert len(list(board.alerts())) == 1


def test_what_is_forgotten_is_gone_everywhere() -> None:
    one, other = alert(zone="a"), alert("Slow", zone="a")
    board = Board(ROOT, Snapshot(alerts=(one, other)))
    board.apply(Changes(forgotten=(one.key,)))
    assert list(board.alerts()) == [other]
    assert board.rule_ids() == ("shop/Slow",)
    assert set(board.members(key_of(board, "a"))) == {other.key}
    board.apply(Changes(forgotten=(other.key, other.key)))
    assert list(board.alerts()) == []
    assert board.members(key_of(board, "a")) == {}


def test_a_transaction_is_taken_over_whole() -> None:
    board = Board(ROOT, Snapshot(alerts=(alert(zone="a"),), incidents=(incident(),)))
    newer = replace(alert(zone="a"), value=9.0)
    closed = incident(status=IncidentStatus.RESOLVED, flush_at=None)
    ill = RuleHealth(rule_id="shop/Slow", failing_since=1.0)
    board.apply(Changes(alerts=(newer,), health=(ill,), incidents=(closed,)))
    assert list(board.alerts()) == [newer]
    assert board.members(key_of(board, "a"))[newer.key] == newer
    assert board.health == {"shop/Slow": ill}
    assert board.incidents == {"key-1": closed}


def test_an_alert_may_be_a_member_of_two_groups() -> None:
    every = MatchSpec(name="alertname", operator="=~", value=".+")
    children = tuple(route(key=f"child-{n}", matchers=(every,), continue_=True) for n in range(2))
    board = Board(route(routes=children), Snapshot(alerts=(alert(),)))
    keys = [group.dedup_key for group in board.groups(alert().labels)]
    assert len(set(keys)) == 2
    assert all(alert().key in board.members(key) for key in keys)
    board.apply(Changes(forgotten=(alert().key,)))
    assert all(board.members(key) == {} for key in keys)


DUE = {
    "before": (429.9, []),
    "at": (430.0, ["key-1"]),
    "after both": (500.0, ["key-1", "key-2"]),
}


@pytest.mark.parametrize(("now", "wanted"), DUE.values(), ids=DUE)
def test_which_groups_are_due(now: float, wanted: list[str]) -> None:
    over = incident(dedup_key="key-3", status=IncidentStatus.RESOLVED, flush_at=None)
    later = incident(dedup_key="key-2", flush_at=450.0)
    board = Board(ROOT, Snapshot(incidents=(incident(flush_at=430.0), later, over)))
    assert [one.dedup_key for one in board.due(now)] == wanted
    assert board.next_flush_at() == 430.0


def test_without_open_incidents_nothing_is_due() -> None:
    assert Board(ROOT, Snapshot()).next_flush_at() is None


@pytest.mark.parametrize("status", list(IncidentStatus), ids=lambda status: status.value)
def test_an_incident_is_open_until_resolved(status: IncidentStatus) -> None:
    assert is_open(incident(status=status)) is (status is not IncidentStatus.RESOLVED)
    assert not is_open(None)


def test_looking_again_moves_the_next_look_alone() -> None:
    board = Board(ROOT, Snapshot(incidents=(incident(),)))
    board.look_again([incident(flush_at=999.0)])
    assert board.next_flush_at() == 999.0


def test_a_refresh_needs_no_transaction() -> None:
    board = Board(ROOT, Snapshot(alerts=(alert(zone="a"),)))
    newer = replace(alert(zone="a"), value=2.0, annotations=labels(summary="newer"))
    board.refresh([newer])
    assert list(board.alerts()) == [newer]
    assert list(board.members(key_of(board, "a")).values()) == [newer]
