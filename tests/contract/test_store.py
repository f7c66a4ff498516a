"""What every Store promises, held by the one in memory and the one on SQLite alike."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from alert_values import OPSGENIE, PAGERDUTY, alert, delivery, incident, labels
from shopwatch_engine.model import (
    Action,
    Alert,
    AlertState,
    Changes,
    Delivery,
    DeliveryState,
    Evidence,
    IncidentStatus,
    LabelSet,
    Link,
    LogLine,
    Notification,
    RuleHealth,
    Severity,
    Snapshot,
    TraceSummary,
)
from shopwatch_engine.outbox import EVIDENCE, PAGES
from shopwatch_engine.ports import Store
from shopwatch_engine.store import SqliteStore
from shopwatch_engine.testing.notifications import sample_alert, sample_notification
from shopwatch_engine.testing.store import MemoryStore

STRANGE = labels(
    newline="a\nb\r\n",
    nul="a\0b",
    half="\ud800 and \udfff",
    emoji="🛒 ünï \u202e",
    quotes="\"'\\`; DROP TABLE alerts; --",
    long="x" * 100_000,
)
TRIGGER, UPDATE = Action.TRIGGER, Action.UPDATE
RESOLVE, EVIDENCE_OF = Action.RESOLVE, Action.EVIDENCE
ALL = tuple(Action)


class Opened:
    """A store that can be closed and opened again, as by an engine that starts anew."""

    def __init__(self, store: Store, reopen: Callable[[], Awaitable[Store]]) -> None:
        self.store = store
        self._reopen = reopen

    async def reopen(self) -> Store:
        self.store = await self._reopen()
        return self.store

    async def owed(self, *deliveries: Delivery) -> None:
        await self.store.commit(Changes(deliveries=deliveries))

    async def claim(
        self,
        now: float = 1000.0,
        *,
        actions: Sequence[Action] = ALL,
        lease_s: float = 60.0,
        limit: int = 100,
        without: tuple[str, ...] = (),
    ) -> list[str]:
        """The ids claimed, in order."""
        found = await self.store.claim(
            actions=actions, now=now, lease_s=lease_s, limit=limit, without=without
        )
        return [one.id for one in found]

    async def states(self) -> dict[str, DeliveryState]:
        """Of the one incident's deliveries."""
        (record,) = await self.store.incidents()
        return {one.id: one.state for one in record.deliveries}


@pytest.fixture(params=["memory", "sqlite"])
async def opened(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Opened]:
    if request.param == "memory":
        memory = MemoryStore()

        async def again() -> Store:
            memory.reopen()
            return memory

        made = Opened(memory, again)
    else:

        async def anew() -> Store:
            await made.store.close()
            return SqliteStore(tmp_path / "state" / "shopwatch.db")

        made = Opened(SqliteStore(tmp_path / "state" / "shopwatch.db"), anew)
    yield made
    await made.store.close()


# ---------------------------------------------------------------- commit and load
async def test_a_new_store_is_empty(opened: Opened) -> None:
    assert await opened.store.load() == Snapshot()
    assert await opened.store.incidents() == ()
    assert await opened.claim() == []
    assert await opened.store.next_attempt_at(actions=ALL) is None


ALERTS = {
    **{state.value: alert(state=state, at=12.5) for state in AlertState},
    "infinite": replace(alert(), value=math.inf),
    "infinite downwards": replace(alert(), value=-math.inf),
    "tiny": replace(alert(), value=5e-324, active_at=1_800_000_000.1234567),
    "not exact in binary": replace(alert(), value=0.1 + 0.2),
    "strange labels": replace(alert(), labels=STRANGE, annotations=STRANGE),
    "no labels": replace(alert(), labels=labels(), annotations=labels(), expr=""),
    "strange expression": replace(alert(), expr='up{a="b\\n"} == 0 # 🛒\n'),
}


@pytest.mark.parametrize("one", ALERTS.values(), ids=ALERTS)
async def test_an_alert_comes_back_as_it_was(opened: Opened, one: Alert) -> None:
    await opened.store.commit(Changes(alerts=(one,)))
    store = await opened.reopen()
    assert (await store.load()).alerts == (one,)


async def test_a_value_that_is_no_number_comes_back(opened: Opened) -> None:
    await opened.store.commit(Changes(alerts=(replace(alert(), value=math.nan),)))
    (found,) = (await (await opened.reopen()).load()).alerts
    assert math.isnan(found.value)
    assert replace(found, value=1.0) == alert()


async def test_health_and_incidents_come_back_as_they_were(opened: Opened) -> None:
    health = (
        RuleHealth(rule_id="shop/A", failing_since=1.5, error="bad\n🛒", settled_at=9.0),
        RuleHealth(rule_id="shop/B", settled_at=7.0),
    )
    incidents = (
        incident(group_labels=STRANGE, title="a\n\0🛒", flush_at=1.25),
        incident(dedup_key="key-2", status=IncidentStatus.WAITING, notified_at=None, notified_firing=()),
        incident(dedup_key="key-3", status=IncidentStatus.RESOLVED, flush_at=None, resolved_at=500.5),
    )
    await opened.store.commit(Changes(health=health, incidents=incidents))
    found = await (await opened.reopen()).load()
    assert sorted(found.health, key=lambda one: one.rule_id) == list(health)
    assert sorted(found.incidents, key=lambda one: one.dedup_key) == list(incidents)


async def test_what_is_there_is_replaced(opened: Opened) -> None:
    before = Changes(alerts=(alert(),), health=(RuleHealth(rule_id="r"),), incidents=(incident(),))
    newer_alert = replace(alert(), value=9.0, state=AlertState.KEEP_FIRING)
    newer_health = RuleHealth(rule_id="r", failing_since=3.0, error="down")
    newer_incident = incident(title="newer", notified_firing=("aa",))
    await opened.store.commit(before)
    await opened.store.commit(
        Changes(alerts=(newer_alert,), health=(newer_health,), incidents=(newer_incident,))
    )
    assert await opened.store.load() == Snapshot(
        alerts=(newer_alert,), health=(newer_health,), incidents=(newer_incident,)
    )


async def test_the_same_labels_of_two_rules_are_two_alerts(opened: Opened) -> None:
    one, other = alert(), replace(alert(), rule_id="shop/Other")
    await opened.store.commit(Changes(alerts=(one, other)))
    await opened.store.commit(Changes(forgotten=(one.key, ("shop/Unknown", labels(a="b")))))
    assert (await opened.store.load()).alerts == (other,)


async def test_of_a_key_the_latest_episode_is_loaded(opened: Opened) -> None:
    episodes = [incident(episode=number, title=f"episode {number}") for number in (2, 10, 9)]
    other = incident(dedup_key="key-2")
    for one in (*episodes, other):
        await opened.store.commit(Changes(incidents=(one,)))
    found = (await (await opened.reopen()).load()).incidents
    assert {(one.dedup_key, one.episode, one.title) for one in found} == {
        ("key-1", 10, "episode 10"),
        ("key-2", 1, other.title),
    }


async def test_a_debt_that_is_known_is_left_as_it_is(opened: Opened) -> None:
    one = delivery()
    await opened.store.commit(Changes(incidents=(incident(),), deliveries=(one,)))
    await opened.store.settle(replace(one, state=DeliveryState.DELIVERED, attempts=1, settled_at=200.0))
    await opened.store.commit(Changes(deliveries=(one, delivery(EVIDENCE_OF, number=2))))
    assert await opened.states() == {
        one.id: DeliveryState.DELIVERED,
        delivery(EVIDENCE_OF, number=2).id: DeliveryState.PENDING,
    }
    assert await opened.claim() == [delivery(EVIDENCE_OF, number=2).id]


async def test_the_same_transaction_twice_is_the_same_as_once(opened: Opened) -> None:
    changes = Changes(
        alerts=(alert(),),
        forgotten=(("shop/Gone", labels()),),
        health=(RuleHealth(rule_id="r"),),
        incidents=(incident(),),
        deliveries=(delivery(), delivery(EVIDENCE_OF, number=2)),
    )
    await opened.store.commit(changes)
    once = (await opened.store.load(), await opened.store.incidents())
    await opened.store.commit(changes)
    assert (await opened.store.load(), await opened.store.incidents()) == once


# ---------------------------------------------------------------- notifications
EVIDENCE_FOUND = Evidence(
    gathered_at=1_800_000_005.5,
    traces=(
        TraceSummary(
            trace_id="0af7651916cd43dd8448eb211c80319c",
            service="gateway",
            name="POST /orders 🛒",
            started_at=1_800_000_001.0,
            duration_s=1.25,
            spans=12,
            errors=1,
            error="database is locked\n\0",
        ),
    ),
    logs=(
        LogLine(
            at=1_800_000_002.0,
            service="orders",
            severity_text="ERROR",
            severity_number=17,
            body="half a pair: \ud800",
            trace_id="0af7651916cd43dd8448eb211c80319c",
            span_id="b7ad6b7169203331",
            attributes=labels(order="7"),
        ),
    ),
    links=(Link(text="Trace", href="https://jaeger.example/trace/1"),),
    missing=("logs: the store did not answer",),
)
NOTIFICATIONS = {
    "of one alert": sample_notification(),
    "with an end": sample_notification(sample_alert(firing=False), sample_alert("Slow")),
    "with evidence": sample_notification(evidence=EVIDENCE_FOUND),
    "with empty evidence": sample_notification(evidence=Evidence(gathered_at=1.0)),
    "of no alert": replace(sample_notification(), alerts=()),
    "strange": sample_notification(
        sample_alert(labels=STRANGE.as_dict(), annotations=STRANGE.as_dict(), value=math.inf)
    ),
}


@pytest.mark.parametrize("notification", NOTIFICATIONS.values(), ids=NOTIFICATIONS)
async def test_a_notification_comes_back_as_it_was(opened: Opened, notification: Notification) -> None:
    one = replace(delivery(), notification=notification)
    await opened.owed(one)
    store = await opened.reopen()
    assert await store.claim(actions=ALL, now=1000.0, lease_s=60.0, limit=1) == (one,)


async def test_an_error_in_any_letters_can_be_written(opened: Opened) -> None:
    one = delivery()
    await opened.store.commit(Changes(incidents=(incident(title="\ud800"),), deliveries=(one,)))
    await opened.store.commit(Changes(health=(RuleHealth(rule_id="r", error="\udfff"),)))
    await opened.store.settle(replace(one, state=DeliveryState.DEAD, error="no \ud800 such", settled_at=1.0))
    (record,) = await (await opened.reopen()).incidents()
    assert record.deliveries[0].error.startswith("no ")
    assert record.deliveries[0].state is DeliveryState.DEAD


# ---------------------------------------------------------------- claim
async def test_the_most_severe_go_first_and_the_oldest_of_them(opened: Opened) -> None:
    severities = ["warning", "critical", "info", "error", "critical", "warning"]
    rows = [delivery(key=f"key-{index}", severity=Severity(word)) for index, word in enumerate(severities)]
    await opened.owed(*rows)
    assert await opened.claim() == [rows[index].id for index in (1, 4, 3, 0, 5, 2)]


async def test_no_more_than_the_limit_the_best_first(opened: Opened) -> None:
    rows = [delivery(key=f"key-{index}") for index in range(5)]
    await opened.owed(*rows)
    assert await opened.claim(limit=2) == [rows[0].id, rows[1].id]
    assert await opened.claim(limit=2) == [rows[2].id, rows[3].id]
    assert await opened.claim(limit=2) == [rows[4].id]
    assert await opened.claim(limit=2) == []


async def test_only_the_actions_asked_for(opened: Opened) -> None:
    trigger, evidence = delivery(key="key-1"), delivery(EVIDENCE_OF, key="key-2")
    await opened.owed(trigger, evidence)
    assert await opened.claim(actions=EVIDENCE.actions) == [evidence.id]
    assert await opened.claim(actions=PAGES.actions) == [trigger.id]


async def test_none_of_an_integration_that_is_full(opened: Opened) -> None:
    one, other = delivery(), delivery(integration=OPSGENIE, next_attempt_at=500.0)
    await opened.owed(one, other)
    assert await opened.store.next_attempt_at(actions=ALL, without=(PAGERDUTY,)) == 500.0
    assert await opened.store.next_attempt_at(actions=ALL, without=(PAGERDUTY, OPSGENIE)) is None
    assert await opened.claim(without=(PAGERDUTY,)) == [other.id]
    assert await opened.claim(without=(OPSGENIE,)) == [one.id]


async def test_not_before_its_time(opened: Opened) -> None:
    await opened.owed(delivery(next_attempt_at=500.0))
    assert await opened.claim(499.9) == []
    assert await opened.claim(500.0) == [delivery().id]


async def test_of_one_incident_and_pager_one_after_the_other(opened: Opened) -> None:
    line = [delivery(TRIGGER, number=1), delivery(UPDATE, number=2), delivery(TRIGGER, number=3)]
    await opened.owed(*line)
    for one in line:
        assert await opened.claim() == [one.id]
        assert await opened.claim() == []
        await opened.store.settle(replace(one, state=DeliveryState.DELIVERED, attempts=1, settled_at=1000.0))
    assert await opened.claim() == []


async def test_a_later_severe_one_does_not_pass_an_earlier_mild_one(opened: Opened) -> None:
    first = delivery(severity=Severity.WARNING, next_attempt_at=5000.0)
    second = delivery(UPDATE, number=2, severity=Severity.CRITICAL)
    await opened.owed(first, second)
    assert await opened.claim(1000.0) == []
    assert await opened.claim(5000.0) == [first.id]


async def test_other_incidents_and_other_pagers_are_not_held_up(opened: Opened) -> None:
    held, behind = delivery(next_attempt_at=5000.0), delivery(UPDATE, number=2)
    other_pager, other_incident = delivery(integration=OPSGENIE), delivery(key="key-2")
    await opened.owed(held, behind, other_pager, other_incident)
    assert await opened.claim() == [other_pager.id, other_incident.id]


async def test_an_episode_waits_for_the_one_before(opened: Opened) -> None:
    resolve = delivery(RESOLVE, number=3, next_attempt_at=5000.0)
    again = delivery(TRIGGER, episode=2)
    await opened.owed(resolve, again)
    assert await opened.claim(1000.0) == []
    assert await opened.claim(5000.0) == [resolve.id]


async def test_a_dead_one_does_not_hold_up_those_behind_it(opened: Opened) -> None:
    refused, resolve = delivery(), delivery(RESOLVE, number=2)
    await opened.owed(refused, resolve)
    await opened.store.settle(replace(refused, state=DeliveryState.DEAD, attempts=1, settled_at=900.0))
    assert await opened.claim() == [resolve.id]


async def test_what_is_claimed_is_not_claimed_again_until_the_claim_lapses(opened: Opened) -> None:
    await opened.owed(delivery())
    assert await opened.claim(1000.0, lease_s=60.0) == [delivery().id]
    assert await opened.claim(1059.9) == []
    assert await opened.store.next_attempt_at(actions=ALL) == 1060.0
    assert await opened.claim(1060.0) == [delivery().id]


async def test_claims_lapse_with_their_engine(opened: Opened) -> None:
    await opened.owed(delivery())
    await opened.claim(1000.0, lease_s=1e6)
    await opened.reopen()
    assert await opened.claim(1000.0) == [delivery().id]


# ---------------------------------------------------------------- supersede
async def test_a_resolve_overtakes_updates_and_evidence_that_wait(opened: Opened) -> None:
    line = [delivery(EVIDENCE_OF, number=2), delivery(UPDATE, number=3), delivery(RESOLVE, number=4)]
    await opened.store.commit(Changes(incidents=(incident(),), deliveries=tuple(line)))
    assert await opened.claim(actions=PAGES.actions) == [line[2].id]
    assert list((await opened.states()).values()) == [
        DeliveryState.SUPERSEDED,
        DeliveryState.SUPERSEDED,
        DeliveryState.PENDING,
    ]


async def test_a_trigger_is_never_overtaken(opened: Opened) -> None:
    line = [delivery(TRIGGER, number=1), delivery(EVIDENCE_OF, number=2), delivery(RESOLVE, number=3)]
    await opened.owed(*line)
    assert await opened.claim() == [line[0].id]
    await opened.store.settle(replace(line[0], state=DeliveryState.DELIVERED, settled_at=1000.0))
    assert await opened.claim() == [line[2].id]


async def test_what_is_under_way_is_not_overtaken(opened: Opened) -> None:
    evidence, resolve = delivery(EVIDENCE_OF), delivery(RESOLVE, number=2)
    await opened.owed(evidence)
    assert await opened.claim(1000.0) == [evidence.id]
    await opened.owed(resolve)
    assert await opened.claim(1001.0) == []
    await opened.store.settle(replace(evidence, attempts=1, next_attempt_at=9000.0, error="refused"))
    assert await opened.claim(1002.0) == [resolve.id]


NOT_OVERTAKEN = {
    "of another pager": delivery(RESOLVE, number=2, integration=OPSGENIE),
    "of another incident": delivery(RESOLVE, number=2, key="key-2"),
}


@pytest.mark.parametrize("resolve", NOT_OVERTAKEN.values(), ids=NOT_OVERTAKEN)
async def test_a_resolve_of_something_else_overtakes_nothing(opened: Opened, resolve: Delivery) -> None:
    update = delivery(UPDATE)
    await opened.owed(update, resolve)
    assert await opened.claim() == [update.id, resolve.id]


async def test_what_came_after_the_resolve_is_not_overtaken(opened: Opened) -> None:
    resolve, again = delivery(RESOLVE, number=3), delivery(EVIDENCE_OF, number=2, episode=2)
    await opened.owed(resolve, again)
    assert await opened.claim() == [resolve.id]
    await opened.store.settle(replace(resolve, state=DeliveryState.DELIVERED, settled_at=1000.0))
    assert await opened.claim() == [again.id]


# ---------------------------------------------------------------- settle, next attempt
async def test_settled_for_another_try(opened: Opened) -> None:
    one = delivery()
    await opened.store.commit(Changes(incidents=(incident(),), deliveries=(one,)))
    await opened.claim(1000.0)
    tried = replace(one, attempts=1, next_attempt_at=1004.5, error="the pager answered 503")
    await opened.store.settle(tried)
    (record,) = await (await opened.reopen()).incidents()
    assert record.deliveries == (tried,)
    assert await opened.store.next_attempt_at(actions=ALL) == 1004.5
    assert await opened.claim(1004.0) == []
    assert await opened.claim(1004.5) == [one.id]


SETTLED = {
    "delivered": replace(delivery(), state=DeliveryState.DELIVERED, attempts=2, settled_at=1000.5),
    "dead": replace(delivery(), state=DeliveryState.DEAD, attempts=3, settled_at=9.0, error="400: no\n🛒"),
}


@pytest.mark.parametrize("settled", SETTLED.values(), ids=SETTLED)
async def test_settled_for_good(opened: Opened, settled: Delivery) -> None:
    await opened.store.commit(Changes(incidents=(incident(),), deliveries=(delivery(),)))
    await opened.claim()
    await opened.store.settle(settled)
    (record,) = await (await opened.reopen()).incidents()
    assert record.deliveries == (settled,)
    assert await opened.claim(1e12) == []
    assert await opened.store.next_attempt_at(actions=ALL) is None


async def test_the_next_attempt_is_the_earliest_of_what_may_be_taken(opened: Opened) -> None:
    await opened.owed(
        delivery(key="key-1", next_attempt_at=700.0),
        delivery(UPDATE, key="key-1", number=2, next_attempt_at=100.0),
        delivery(key="key-2", next_attempt_at=800.0),
        delivery(EVIDENCE_OF, key="key-3", next_attempt_at=600.0),
    )
    assert await opened.store.next_attempt_at(actions=PAGES.actions) == 700.0
    assert await opened.store.next_attempt_at(actions=EVIDENCE.actions) == 600.0


# ---------------------------------------------------------------- incidents
async def test_incidents_are_listed_newest_first_with_what_they_are_owed(opened: Opened) -> None:
    old, new = incident(opened_at=100.0), incident(episode=2, opened_at=200.0)
    other = incident(dedup_key="key-2", opened_at=150.0)
    rows = [
        delivery(),
        delivery(RESOLVE, number=2, severity=Severity.INFO),
        delivery(key="key-2"),
        delivery(episode=2),
    ]
    await opened.store.commit(Changes(incidents=(old, new, other), deliveries=tuple(rows)))
    found = await opened.store.incidents()
    assert [(one.incident, one.deliveries) for one in found] == [
        (new, (rows[3],)),
        (other, (rows[2],)),
        (old, (rows[0], rows[1])),
    ]
    assert [one.incident for one in await opened.store.incidents(limit=2)] == [new, other]


async def test_incidents_nobody_was_told_of_are_not_listed(opened: Opened) -> None:
    silent = incident(status=IncidentStatus.RESOLVED, notified_at=None, notified_firing=(), flush_at=None)
    await opened.store.commit(Changes(incidents=(silent,)))
    assert await opened.store.incidents() == ()
    assert (await opened.store.load()).incidents == (silent,)


async def test_what_was_over_long_ago_is_forgotten_unless_something_is_still_owed(opened: Opened) -> None:
    over = {"status": IncidentStatus.RESOLVED, "flush_at": None}
    old, young = incident(resolved_at=500.0, **over), incident(episode=2, resolved_at=900.0, **over)
    owing, still_open = incident(dedup_key="key-2", resolved_at=500.0, **over), incident(dedup_key="key-3")
    kept = [delivery(episode=2), delivery(key="key-2"), delivery(key="key-3")]
    await opened.store.commit(
        Changes(incidents=(old, young, owing, still_open), deliveries=(delivery(), *kept))
    )
    await opened.store.settle(replace(delivery(), state=DeliveryState.DELIVERED))
    assert await opened.store.prune(before=800.0) == 1
    assert await opened.store.prune(before=800.0) == 0
    found = await (await opened.reopen()).incidents()
    assert {one.incident for one in found} == {young, owing, still_open}
    assert sorted(row.id for one in found for row in one.deliveries) == sorted(one.id for one in kept)


async def test_many_rows_in_one_transaction(opened: Opened) -> None:
    alerts = tuple(replace(alert(), labels=LabelSet.of({"n": str(n)})) for n in range(2000))
    rows = tuple(delivery(key=f"key-{n}") for n in range(2000))
    await opened.store.commit(Changes(alerts=alerts, deliveries=rows))
    assert len((await (await opened.reopen()).load()).alerts) == 2000
    assert len(await opened.claim(limit=5000)) == 2000
    await opened.store.commit(Changes(forgotten=tuple(one.key for one in alerts)))
    assert (await opened.store.load()).alerts == ()
