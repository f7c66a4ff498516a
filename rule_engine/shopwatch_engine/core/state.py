r"""The life of an alert.

Rules:

1. An alert is one rule's one label set. What is not tracked is INACTIVE.
2. A pass looks at each tracked or seen alert once, at one ``now``. What it finds is one `Event`;
   the table says what becomes of the alert. A pair that is not in the table cannot happen.
3. A rule that could not be evaluated makes no pass: its alerts stay as they are. An error is not a
   recovery, so nothing here can see one.
4. After an outage an absence is UNSETTLED until the ranges that the expression reads lie wholly after
   it (`settling`); an unsettled absence holds the state too.
5. RESOLVED alerts stay tracked until every pager that heard of them is owed the resolve (`incidents`).

::

              HOLDS                    ENDURES
    INACTIVE ------> PENDING ----------------------> FIRING <-----------.
        ^               | GONE          (for: 0s: at once) |            | HOLDS
        '---------------'                   LINGERS |       \           |
                                                    v        \ GONE     |
                                              KEEP_FIRING ----> RESOLVED'
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from shopwatch_engine.model import Alert, AlertRule, AlertState, LabelSet


class Event(Enum):
    """What a pass finds of one alert."""

    HOLDS = "the condition holds, not yet for as long as `for` asks"
    ENDURES = "the condition holds and has for as long as `for` asks"
    UNSETTLED = "the condition is not seen, but the data may still be missing"
    LINGERS = "the condition is gone, `keep_firing_for` has not passed"
    GONE = "the condition is gone"


_S, _E = AlertState, Event
TRANSITIONS: Final[Mapping[tuple[AlertState, Event], AlertState]] = {
    (_S.INACTIVE, _E.HOLDS): _S.PENDING,
    (_S.INACTIVE, _E.ENDURES): _S.FIRING,
    (_S.PENDING, _E.HOLDS): _S.PENDING,
    (_S.PENDING, _E.ENDURES): _S.FIRING,
    (_S.PENDING, _E.UNSETTLED): _S.PENDING,
    (_S.PENDING, _E.LINGERS): _S.INACTIVE,
    (_S.PENDING, _E.GONE): _S.INACTIVE,
    (_S.FIRING, _E.HOLDS): _S.FIRING,  # `for` was made longer meanwhile
    (_S.FIRING, _E.ENDURES): _S.FIRING,
    (_S.FIRING, _E.UNSETTLED): _S.FIRING,
    (_S.FIRING, _E.LINGERS): _S.KEEP_FIRING,
    (_S.FIRING, _E.GONE): _S.RESOLVED,
    (_S.KEEP_FIRING, _E.HOLDS): _S.FIRING,
    (_S.KEEP_FIRING, _E.ENDURES): _S.FIRING,
    (_S.KEEP_FIRING, _E.UNSETTLED): _S.KEEP_FIRING,
    (_S.KEEP_FIRING, _E.LINGERS): _S.KEEP_FIRING,
    (_S.KEEP_FIRING, _E.GONE): _S.RESOLVED,
    (_S.RESOLVED, _E.HOLDS): _S.PENDING,
    (_S.RESOLVED, _E.ENDURES): _S.FIRING,
    (_S.RESOLVED, _E.UNSETTLED): _S.RESOLVED,
    (_S.RESOLVED, _E.LINGERS): _S.RESOLVED,
    (_S.RESOLVED, _E.GONE): _S.RESOLVED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One label set for which a rule's condition holds now."""

    labels: LabelSet
    annotations: LabelSet
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RulePass:
    """What one pass made of one rule's alerts."""

    changed: tuple[Alert, ...] = ()  # in another state than before
    refreshed: tuple[Alert, ...] = ()  # in the same state, with a newer value
    forgotten: tuple[tuple[str, LabelSet], ...] = ()  # were pending, are no more


def advance(
    rule: AlertRule,
    tracked: Mapping[LabelSet, Alert],
    observations: Iterable[Observation],
    *,
    now: float,
    settled: bool = True,
) -> RulePass:
    """One pass over one rule: every alert tracked or seen takes one step of the table.

    Args:
        rule: the rule.
        tracked: its alerts so far, by labels.
        observations: the label sets for which its condition holds, each once.
        now: the pass's time.
        settled: False while an absence may only be missing data (rule 4).
    """
    seen = {observation.labels: observation for observation in observations}
    changed, refreshed, forgotten = [], [], []
    for labels in {**tracked, **seen}:
        before = tracked.get(labels)
        after = _step(rule, before, seen.get(labels), now=now, settled=settled)
        if after is None:
            forgotten.append((rule.id, labels))
        elif before is None or after.state is not before.state:
            changed.append(after)
        elif after != before:
            refreshed.append(after)
    return RulePass(changed=tuple(changed), refreshed=tuple(refreshed), forgotten=tuple(forgotten))


def _step(
    rule: AlertRule, before: Alert | None, seen: Observation | None, *, now: float, settled: bool
) -> Alert | None:
    state = before.state if before else AlertState.INACTIVE
    event = _event(rule, before, seen, now=now, settled=settled)
    after = TRANSITIONS[state, event]
    if after is AlertState.INACTIVE:
        return None
    alert = before if before and not _begins_anew(state, after) else _begun(rule, seen, now)
    if seen:
        alert = replace(alert, annotations=seen.annotations, value=seen.value, expr=rule.expr)
    return _marked(replace(alert, state=after), now)


def _event(
    rule: AlertRule, before: Alert | None, seen: Observation | None, *, now: float, settled: bool
) -> Event:
    if seen:
        begun = before and before.state is not AlertState.RESOLVED
        since = before.active_at if before and begun else now
        return Event.ENDURES if now - since >= rule.for_s else Event.HOLDS
    if not settled:
        return Event.UNSETTLED
    since = before.keep_firing_since if before and before.keep_firing_since is not None else now
    return Event.LINGERS if now - since < rule.keep_firing_for_s else Event.GONE


def _begins_anew(state: AlertState, after: AlertState) -> bool:
    return state is AlertState.RESOLVED and after is not AlertState.RESOLVED


def _begun(rule: AlertRule, seen: Observation | None, now: float) -> Alert:
    if seen is None:
        raise AssertionError(f"rule {rule.id}: an alert cannot begin unseen")
    return Alert(
        rule_id=rule.id,
        labels=seen.labels,
        annotations=seen.annotations,
        state=AlertState.INACTIVE,
        value=seen.value,
        active_at=now,
        expr=rule.expr,
    )


def _marked(alert: Alert, now: float) -> Alert:
    """The alert with the times that its state carries."""
    if alert.state is AlertState.FIRING:
        fired_at = now if alert.fired_at is None else alert.fired_at
        return replace(alert, fired_at=fired_at, keep_firing_since=None, resolved_at=None)
    if alert.state is AlertState.KEEP_FIRING and alert.keep_firing_since is None:
        return replace(alert, keep_firing_since=now)
    if alert.state is AlertState.RESOLVED and alert.resolved_at is None:
        return replace(alert, resolved_at=now)
    return alert
