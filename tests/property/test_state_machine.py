"""The alert state machine against a small model of Prometheus' alerting rules, over random histories."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from alert_values import labels, rule
from shopwatch_engine.core.state import Observation, advance
from shopwatch_engine.model import Alert, AlertState, LabelSet

SERIES = tuple(labels(alertname="HighErrorRate", zone=zone) for zone in "abc")
SECONDS = st.sampled_from([0.0, 0.1, 15.0, 30.0, 60.0, 300.0])


@dataclass
class Active:
    """What Prometheus remembers of an alert that is pending or firing."""

    since: float
    fired_at: float | None = None
    absent_since: float | None = None


@dataclass
class PrometheusRule:
    """The documented meaning of ``for`` and ``keep_firing_for``, as plainly as it can be written."""

    for_s: float
    keep_s: float
    active: dict[LabelSet, Active] = field(default_factory=dict)

    def evaluate(self, present: Iterable[LabelSet], now: float) -> None:
        there = set(present)
        for one in there - self.active.keys():
            self.active[one] = Active(since=now)
        for one, memory in list(self.active.items()):
            if one in there:
                memory.absent_since = None
                if memory.fired_at is None and now - memory.since >= self.for_s:
                    memory.fired_at = now
                continue
            if memory.absent_since is None:
                memory.absent_since = now
            lasts = memory.fired_at is not None and now - memory.absent_since < self.keep_s
            if not lasts:
                del self.active[one]

    def told(self) -> dict[LabelSet, tuple[str, float, float | None]]:
        return {
            one: ("pending" if memory.fired_at is None else "firing", memory.since, memory.fired_at)
            for one, memory in self.active.items()
        }


@dataclass(frozen=True)
class Pass:
    """One evaluation: how long after the one before, what is there, and what was forgotten before it."""

    after_s: float
    present: frozenset[int]
    forgets: frozenset[int]


PASSES = st.lists(
    st.builds(
        Pass,
        after_s=st.sampled_from([0.1, 5.0, 15.0, 29.9, 30.0, 61.0, 1000.0]),
        present=st.frozensets(st.integers(0, 2)),
        forgets=st.frozensets(st.integers(0, 2)),
    ),
    max_size=40,
)


def told(tracked: Iterable[Alert]) -> dict[LabelSet, tuple[str, float, float | None]]:
    """The tracked alerts in Prometheus' words, which know no resolved and no keep-firing state."""
    return {
        one.labels: ("firing" if one.state.is_firing else "pending", one.active_at, one.fired_at)
        for one in tracked
        if one.state is not AlertState.RESOLVED
    }


@given(passes=PASSES, for_s=SECONDS, keep_s=SECONDS)
@settings(max_examples=300, deadline=None)
def test_advance_does_as_prometheus_does(passes: list[Pass], for_s: float, keep_s: float) -> None:
    ours = rule(for_s=for_s, keep_firing_for_s=keep_s)
    theirs = PrometheusRule(for_s=for_s, keep_s=keep_s)
    tracked: dict[LabelSet, Alert] = {}
    now = 1_800_000_000.0
    for one in passes:
        now += one.after_s
        present = [SERIES[index] for index in one.present]
        for forgotten in (SERIES[index] for index in one.forgets):  # its end was told meanwhile
            if forgotten in tracked and tracked[forgotten].state is AlertState.RESOLVED:
                del tracked[forgotten]
        found = [Observation(labels=series, annotations=labels(), value=now) for series in present]
        result = advance(ours, tracked, found, now=now)
        tracked.update({step.labels: step for step in (*result.changed, *result.refreshed)})
        for _, gone in result.forgotten:
            del tracked[gone]
        theirs.evaluate(present, now)
        assert told(tracked.values()) == theirs.told()
        assert all(tracked[series].value == now for series in present)


@given(passes=PASSES, for_s=SECONDS, keep_s=SECONDS, data=st.data())
@settings(max_examples=100, deadline=None)
def test_an_unsettled_pass_ends_nothing(
    passes: list[Pass], for_s: float, keep_s: float, data: st.DataObject
) -> None:
    ours = rule(for_s=for_s, keep_firing_for_s=keep_s)
    tracked: dict[LabelSet, Alert] = {}
    now = 1_800_000_000.0
    for one in passes:
        now += one.after_s
        settled = data.draw(st.booleans())
        found = [Observation(labels=SERIES[i], annotations=labels(), value=1.0) for i in one.present]
        before = dict(tracked)
        result = advance(ours, tracked, found, now=now, settled=settled)
        tracked.update({step.labels: step for step in (*result.changed, *result.refreshed)})
        for _, gone in result.forgotten:
            del tracked[gone]
        if not settled:
            absent = set(before) - {SERIES[i] for i in one.present}
            assert all(tracked[series] == before[series] for series in absent)
