"""The life of an alert: every pair of state and event, and the times that each state carries."""

from __future__ import annotations

from dataclasses import replace

import pytest

from alert_values import alert, labels, rule
from shopwatch_engine.core.state import TRANSITIONS, Event, Observation, RulePass, advance
from shopwatch_engine.model import Alert, AlertRule, AlertState

INACTIVE, PENDING, FIRING = AlertState.INACTIVE, AlertState.PENDING, AlertState.FIRING
KEEP_FIRING, RESOLVED = AlertState.KEEP_FIRING, AlertState.RESOLVED
LONG = 1e9
NOW = 1000.0
LABELS = alert().labels

BECOMES = {
    INACTIVE: {Event.HOLDS: PENDING, Event.ENDURES: FIRING},
    PENDING: {
        Event.HOLDS: PENDING,
        Event.ENDURES: FIRING,
        Event.UNSETTLED: PENDING,
        Event.LINGERS: INACTIVE,
        Event.GONE: INACTIVE,
    },
    FIRING: {
        Event.HOLDS: FIRING,
        Event.ENDURES: FIRING,
        Event.UNSETTLED: FIRING,
        Event.LINGERS: KEEP_FIRING,
        Event.GONE: RESOLVED,
    },
    KEEP_FIRING: {
        Event.HOLDS: FIRING,
        Event.ENDURES: FIRING,
        Event.UNSETTLED: KEEP_FIRING,
        Event.LINGERS: KEEP_FIRING,
        Event.GONE: RESOLVED,
    },
    RESOLVED: {
        Event.HOLDS: PENDING,
        Event.ENDURES: FIRING,
        Event.UNSETTLED: RESOLVED,
        Event.LINGERS: RESOLVED,
        Event.GONE: RESOLVED,
    },
}
"""What is expected, written down a second time and by hand."""

POSSIBLE = [(state, event) for state, row in BECOMES.items() for event in row]
IMPOSSIBLE = [(INACTIVE, Event.UNSETTLED), (INACTIVE, Event.LINGERS), (INACTIVE, Event.GONE)]


def seen(value: float = 1.0, summary: str = "it is there", **more: str) -> Observation:
    own = LABELS if not more else labels(**more)
    return Observation(labels=own, annotations=labels(summary=summary), value=value)


def event_at(before: Alert | None, event: Event, *, now: float = NOW) -> RulePass:
    """A pass in which the one alert meets this event."""
    holds = event in (Event.HOLDS, Event.ENDURES)
    one = rule(
        for_s=LONG if event is Event.HOLDS else 0.0,
        keep_firing_for_s=LONG if event is Event.LINGERS else 0.0,
    )
    tracked = {} if before is None else {before.labels: before}
    observations = [seen()] if holds else []
    return advance(one, tracked, observations, now=now, settled=event is not Event.UNSETTLED)


def name_of(pair: tuple[AlertState, Event]) -> str:
    return f"{pair[0].value}-{pair[1].name.lower()}"


@pytest.mark.parametrize("pair", POSSIBLE, ids=name_of)
def test_every_possible_pair(pair: tuple[AlertState, Event]) -> None:
    state, event = pair
    before = None if state is INACTIVE else alert(state=state, at=990.0)
    result = event_at(before, event)
    wanted = BECOMES[state][event]
    if wanted is INACTIVE:
        assert result == RulePass(forgotten=(("shop/HighErrorRate", LABELS),))
    elif wanted is state:
        assert result.changed == ()
        assert all(one.state is state for one in result.refreshed)
    else:
        assert [one.state for one in result.changed] == [wanted]
        assert (result.refreshed, result.forgotten) == ((), ())


@pytest.mark.parametrize("pair", IMPOSSIBLE, ids=name_of)
def test_an_alert_that_is_neither_tracked_nor_seen_takes_no_step(pair: tuple[AlertState, Event]) -> None:
    assert pair not in TRANSITIONS
    assert event_at(None, pair[1]) == RulePass()


def test_the_table_holds_these_pairs_and_no_other() -> None:
    assert set(TRANSITIONS) == set(POSSIBLE)
    assert len(POSSIBLE) + len(IMPOSSIBLE) == len(AlertState) * len(Event)
    assert {pair: BECOMES[pair[0]][pair[1]] for pair in POSSIBLE} == TRANSITIONS


class OneRule:
    """A rule whose one series comes and goes, pass by pass."""

    def __init__(self, one: AlertRule) -> None:
        self.rule = one
        self.tracked: dict[object, Alert] = {}

    def at(self, now: float, *, holds: bool, settled: bool = True, value: float = 1.0) -> Alert | None:
        found = [seen(value)] if holds else []
        known = {one.labels: one for one in self.tracked.values()}
        result = advance(self.rule, known, found, now=now, settled=settled)
        for one in (*result.changed, *result.refreshed):
            self.tracked[one.key] = one
        for key in result.forgotten:
            self.tracked.pop(key)
        return next(iter(self.tracked.values()), None)


def state_at(one: OneRule, now: float, *, holds: bool, settled: bool = True) -> AlertState:
    found = one.at(now, holds=holds, settled=settled)
    return INACTIVE if found is None else found.state


def test_for_is_counted_from_the_first_pass_that_saw_it_and_includes_its_end() -> None:
    one = OneRule(rule(for_s=60.0))
    passes = [(0, PENDING), (30, PENDING), (59.9, PENDING), (60, FIRING), (75, FIRING)]
    assert [state_at(one, at, holds=True) for at, _ in passes] == [state for _, state in passes]
    (firing,) = one.tracked.values()
    assert (firing.active_at, firing.fired_at) == (0, 60)


def test_a_gap_starts_for_anew() -> None:
    one = OneRule(rule(for_s=60.0))
    holds = [(0, True), (45, True), (50, False), (60, True), (119, True), (120, True)]
    states = [state_at(one, at, holds=there) for at, there in holds]
    assert states == [PENDING, PENDING, INACTIVE, PENDING, PENDING, FIRING]


def test_keep_firing_for_is_counted_from_the_first_absence_and_excludes_its_end() -> None:
    one = OneRule(rule(keep_firing_for_s=60.0))
    holds = [(0, True), (15, False), (74.9, False), (75, False), (90, False)]
    states = [state_at(one, at, holds=there) for at, there in holds]
    assert states == [FIRING, KEEP_FIRING, KEEP_FIRING, RESOLVED, RESOLVED]
    (ended,) = one.tracked.values()
    assert (ended.fired_at, ended.keep_firing_since, ended.resolved_at) == (0, 15, 75)


def test_coming_back_while_it_keeps_firing_is_the_same_alert() -> None:
    one = OneRule(rule(for_s=30.0, keep_firing_for_s=60.0))
    holds = [(0, True), (30, True), (45, False), (100, True), (110, False), (169, False), (170, False)]
    states = [state_at(one, at, holds=there) for at, there in holds]
    assert states == [PENDING, FIRING, KEEP_FIRING, FIRING, KEEP_FIRING, KEEP_FIRING, RESOLVED]
    (ended,) = one.tracked.values()
    assert (ended.active_at, ended.fired_at, ended.resolved_at) == (0, 30, 170)


@pytest.mark.parametrize(("for_s", "wanted"), [(0.0, FIRING), (60.0, PENDING)], ids=["at once", "pending"])
def test_resolved_begins_anew(for_s: float, wanted: AlertState) -> None:
    before = replace(alert(state=RESOLVED, at=500.0), active_at=100.0, fired_at=200.0, value=7.0)
    (after,) = advance(rule(for_s=for_s), {LABELS: before}, [seen(2.0)], now=NOW).changed
    assert after.state is wanted
    assert (after.active_at, after.value) == (NOW, 2.0)
    assert after.fired_at == (NOW if wanted is FIRING else None)
    assert (after.keep_firing_since, after.resolved_at) == (None, None)


def test_the_end_stays_when_it_first_was() -> None:
    one = OneRule(rule())
    for at, there in [(0, True), (15, False), (30, False), (45, False)]:
        one.at(at, holds=there)
    (ended,) = one.tracked.values()
    assert ended.resolved_at == 15


def test_while_unsettled_nothing_moves_and_for_goes_on() -> None:
    one = OneRule(rule(for_s=60.0, keep_firing_for_s=30.0))
    passes = [
        (0, True, True, PENDING),
        (15, False, False, PENDING),
        (60, True, True, FIRING),
        (75, False, False, FIRING),
        (90, False, False, FIRING),
        (105, False, True, KEEP_FIRING),
        (200, False, False, KEEP_FIRING),
        (215, False, True, RESOLVED),
    ]
    for at, there, settled, wanted in passes:
        assert state_at(one, at, holds=there, settled=settled) is wanted, at


def test_a_longer_for_does_not_end_what_fires() -> None:
    firing = replace(alert(state=FIRING, at=900.0), active_at=900.0)
    result = advance(rule(for_s=3600.0), {LABELS: firing}, [seen()], now=NOW)
    assert [one.state for one in result.refreshed] == [FIRING]
    assert result.changed == ()


def test_a_clock_set_back_ends_nothing() -> None:
    one = OneRule(rule(for_s=60.0, keep_firing_for_s=60.0))
    holds = [(1000, True), (1060, True), (1070, False), (500, False), (510, True), (520, False)]
    states = [state_at(one, at, holds=there) for at, there in holds]
    assert states == [PENDING, FIRING, KEEP_FIRING, KEEP_FIRING, FIRING, KEEP_FIRING]


def test_value_annotations_and_expression_follow_without_a_change_of_state() -> None:
    firing = alert(state=FIRING, at=900.0)
    newer = rule(expr="rate(errors_total[10m]) > 1")
    result = advance(newer, {LABELS: firing}, [seen(3.5, "now 3.5")], now=NOW)
    (after,) = result.refreshed
    assert (after.value, after.annotations.get("summary"), after.expr) == (3.5, "now 3.5", newer.expr)
    assert (after.active_at, after.fired_at) == (900.0, 900.0)
    assert (result.changed, result.forgotten) == ((), ())


def test_nothing_new_is_nothing_to_take_over() -> None:
    firing = alert(state=FIRING, at=900.0)
    same = Observation(labels=LABELS, annotations=firing.annotations, value=firing.value)
    assert advance(rule(), {LABELS: firing}, [same], now=NOW) == RulePass()


def test_label_sets_of_one_rule_go_their_own_ways() -> None:
    gone, stays = alert(state=FIRING, at=900.0), alert(state=FIRING, at=900.0, zone="b")
    new = labels(alertname="HighErrorRate", zone="c")
    found = [
        Observation(labels=stays.labels, annotations=stays.annotations, value=stays.value),
        Observation(labels=new, annotations=labels(), value=1.0),
    ]
    result = advance(rule(), {gone.labels: gone, stays.labels: stays}, found, now=NOW)
    assert {(one.labels, one.state) for one in result.changed} == {(gone.labels, RESOLVED), (new, FIRING)}
    assert result.refreshed == ()
