"""Deciding, committing and remembering: what a failure at each point leaves behind."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry

from alert_values import PAGERDUTY, integration, labels, receiver, receivers, route, rule, sample
from shopwatch_engine.core.board import Board
from shopwatch_engine.core.incidents import Desk
from shopwatch_engine.core.settling import Settling
from shopwatch_engine.exceptions import SourceError, StoreFailed
from shopwatch_engine.metrics import EngineMetrics
from shopwatch_engine.model import (
    Action,
    AlertRule,
    AlertState,
    IncidentStatus,
    Route,
    RuleHealth,
    Snapshot,
)
from shopwatch_engine.patience import Patience
from shopwatch_engine.runtime.ledger import Ledger
from shopwatch_engine.steps import Step
from shopwatch_engine.testing.clock import FakeClock
from shopwatch_engine.testing.store import MemoryStore, calm

RULE = rule(labels=labels(severity="critical"))
ERRORS = sample(0.4, service="orders")
DOWN = SourceError("connection refused")
ROOT = route(group_wait_s=0.0, group_interval_s=60.0)


class Desktop:
    """A ledger over a store in memory and a clock set by hand."""

    def __init__(self, root: Route = ROOT, *, settling: Settling | None = None) -> None:
        self.clock = FakeClock(1000.0)
        self.store = MemoryStore()
        self.steps: list[tuple[Step, Action]] = []
        self.owing = 0
        self.root = root
        self.settling = settling or Settling(began_at=-1e9)
        self.ledger = self._ledger(Snapshot())

    def _ledger(self, snapshot: Snapshot) -> Ledger:
        return Ledger(
            board=Board(self.root, snapshot),
            desk=Desk(receivers=receivers(receiver(integration()))),
            store=self.store,
            patience=Patience(EngineMetrics(CollectorRegistry()), pause_s=0.01, give_up_s=0.02),
            clock=self.clock,
            settling=self.settling,
            owing=self._owe,
            checkpoint=lambda step, action: self.steps.append((step, action)),
        )

    def _owe(self) -> None:
        self.owing += 1

    async def restart(self, root: Route | None = None) -> None:
        self.root = root or self.root
        self.ledger = self._ledger(await self.store.load())

    async def enters(self, at: float, answer: object, *rules: AlertRule, limit: int = 0) -> int:
        """A pass in which each rule had this answer; how many failed."""
        self.clock.at = at
        asked = rules or (RULE,)
        return await self.ledger.enter({one.id: answer for one in asked}, asked, at=at, limit=limit)  # type: ignore[misc]

    async def owed(self) -> list[str]:
        records = await self.store.incidents()
        return [one.action.value for record in reversed(records) for one in record.deliveries]

    def states(self) -> list[str]:
        return sorted(one.state.value for one in self.ledger.board.alerts())


async def test_a_pass_is_one_transaction() -> None:
    desk = Desktop()
    assert await desk.enters(1000.0, (ERRORS,)) == 0
    snapshot = await desk.store.load()
    assert [one.state for one in snapshot.alerts] == [AlertState.FIRING]
    assert [one.status for one in snapshot.incidents] == [IncidentStatus.TRIGGERED]
    assert await desk.owed() == ["trigger", "evidence"]
    assert tuple(desk.ledger.board.alerts()) == snapshot.alerts
    assert desk.owing == 1


async def test_checkpoints_stand_before_and_after_the_commit() -> None:
    desk = Desktop()
    await desk.enters(1000.0, (ERRORS,))
    assert desk.steps == [
        (Step.BEFORE_COMMIT, Action.TRIGGER),
        (Step.BEFORE_COMMIT, Action.EVIDENCE),
        (Step.AFTER_COMMIT, Action.TRIGGER),
        (Step.AFTER_COMMIT, Action.EVIDENCE),
    ]


@pytest.mark.parametrize("step", [Step.BEFORE_COMMIT, Step.AFTER_COMMIT], ids=lambda step: step.value)
async def test_a_crash_at_a_checkpoint_leaves_all_or_nothing(step: Step) -> None:
    class Crash(BaseException):
        pass

    def crash(at: Step, _action: Action) -> None:
        if at is step:
            raise Crash

    desk = Desktop()
    desk.steps = _Calls(crash)
    with pytest.raises(Crash):
        await desk.enters(1000.0, (ERRORS,))
    snapshot = await desk.store.load()
    sizes = (len(snapshot.alerts), len(snapshot.incidents), len(await desk.owed()))
    assert sizes == ((0, 0, 0) if step is Step.BEFORE_COMMIT else (1, 1, 2))
    assert list(desk.ledger.board.alerts()) == []


class _Calls(list[tuple[Step, Action]]):
    """A list that hands what is appended on."""

    def __init__(self, act: object) -> None:
        super().__init__()
        self.act = act

    def append(self, item: tuple[Step, Action]) -> None:
        self.act(*item)  # type: ignore[operator]


async def test_a_commit_that_fails_leaves_the_board_as_it_was() -> None:
    desk = Desktop()
    await desk.enters(1000.0, (ERRORS,))
    board = desk.ledger.board
    before = (list(board.alerts()), dict(board.incidents), dict(board.health))

    async def broken(method: str) -> None:
        raise StoreFailed(f"store x.db: file is not a database ({method})")

    desk.store.disturb = broken
    with pytest.raises(StoreFailed, match="not a database"):
        await desk.enters(2000.0, ())
    with pytest.raises(StoreFailed):
        await desk.enters(2000.0, DOWN)
    assert (list(board.alerts()), dict(board.incidents), dict(board.health)) == before


async def test_what_only_refreshes_is_taken_over_without_a_transaction() -> None:
    desk = Desktop()
    await desk.enters(1000.0, (ERRORS,))
    calls: list[str] = []

    async def note(method: str) -> None:
        calls.append(method)

    desk.store.disturb = note
    await desk.enters(1015.0, (replace(ERRORS, value=0.9),))
    assert calls == []
    assert desk.owing == 1
    assert [one.value for one in desk.ledger.board.alerts()] == [0.9]


# ---------------------------------------------------------------- an error is not a recovery
async def test_a_failed_pass_holds_every_state() -> None:
    rules = [
        RULE,
        rule("Pending", for_s=1e9),
        rule("Kept", keep_firing_for_s=1e9),
    ]
    desk = Desktop()
    await desk.enters(1000.0, (ERRORS,), *rules)
    await desk.enters(1015.0, (), rules[2])
    assert desk.states() == ["firing", "keep_firing", "pending"]
    held = list(desk.ledger.board.alerts())
    for at in (1030.0, 1045.0, 9000.0):
        assert await desk.enters(at, DOWN, *rules) == 3
    assert list(desk.ledger.board.alerts()) == held
    assert "resolve" not in await desk.owed()


async def test_failures_are_remembered_once_and_across_a_restart(caplog: pytest.LogCaptureFixture) -> None:
    desk = Desktop()
    for at in (1000.0, 1015.0, 1030.0):
        await desk.enters(at, DOWN)
    await desk.restart()
    assert desk.ledger.board.health == {
        RULE.id: RuleHealth(rule_id=RULE.id, failing_since=1000.0, error="connection refused")
    }
    assert caplog.text.count("cannot be evaluated") == 1


async def test_after_a_failure_an_absence_counts_once_it_has_settled() -> None:
    desk = Desktop(settling=Settling(began_at=-1e9, scrape_interval_s=15.0))
    one = replace(RULE, lookback_s=100.0)
    settles_at = 2000.0 + desk.settling.seconds(one)
    await desk.enters(1000.0, (ERRORS,), one)
    await desk.enters(1500.0, DOWN, one)
    for at in (2000.0, 2060.0, settles_at - 0.1):
        await desk.enters(at, (), one)
        assert desk.states() == ["firing"]
    await desk.restart()
    await desk.enters(settles_at, (), one)
    assert (await desk.owed())[-1] == "resolve"


async def test_what_is_seen_after_a_failure_counts_at_once() -> None:
    desk = Desktop(settling=Settling(began_at=1000.0))
    await desk.enters(1000.0, DOWN)
    await desk.enters(1015.0, (ERRORS,))
    assert await desk.owed() == ["trigger", "evidence"]
    assert desk.ledger.board.health[RULE.id].failing_since is None


TROUBLES = {
    "two series in one": (sample(1.0, __name__="a"), sample(1.0, __name__="b")),
    "more than the limit": tuple(sample(1.0, n=str(n)) for n in range(3)),
    "something that is no answer": 7,
}


@pytest.mark.parametrize("answer", TROUBLES.values(), ids=TROUBLES)
async def test_an_answer_that_cannot_be_used_holds_the_rule(answer: object) -> None:
    desk = Desktop()
    other = rule("Other")
    await desk.enters(1000.0, (ERRORS,), RULE, other)
    desk.clock.at = 1015.0
    failures = await desk.ledger.enter({RULE.id: answer, other.id: ()}, (RULE, other), at=1015.0, limit=2)  # type: ignore[dict-item]
    assert failures == 1
    assert desk.states() == ["firing", "resolved"]
    assert desk.ledger.board.health[RULE.id].failing_since == 1015.0


async def test_up_to_the_limit_is_fine() -> None:
    desk = Desktop()
    assert await desk.enters(1000.0, tuple(sample(1.0, n=str(n)) for n in range(3)), limit=3) == 0
    assert desk.states() == ["firing"] * 3


# ---------------------------------------------------------------- definitions that changed
async def test_alerts_of_a_rule_that_is_no_more_end() -> None:
    gone, pending = rule("Gone"), rule("GoneToo", for_s=1e9)
    desk = Desktop()
    await desk.enters(1000.0, (ERRORS,), RULE, gone, pending)
    await desk.restart()
    desk.clock.at = 1050.0
    await desk.ledger.retire({RULE.id})
    assert sorted((one.rule_id, one.state.value) for one in desk.ledger.board.alerts()) == [
        ("shop/Gone", "resolved"),
        ("shop/HighErrorRate", "firing"),
    ]
    desk.clock.at = 1060.0
    await desk.ledger.flush()
    assert await desk.owed() == ["trigger", "evidence", "update"]
    assert [one.rule_id for one in (await desk.store.load()).alerts] == [RULE.id]


async def test_with_known_rules_nothing_is_retired() -> None:
    desk = Desktop()
    await desk.enters(1000.0, (ERRORS,))
    before = await desk.store.load()
    await desk.ledger.retire({RULE.id, "shop/New"})
    await desk.ledger.adopt()
    assert await desk.store.load() == before


async def test_an_alert_that_fires_on_is_told_to_the_receiver_that_the_routing_names_now() -> None:
    desk = Desktop()
    await desk.enters(1000.0, (ERRORS,))
    before = next(iter(desk.ledger.board.incidents))
    await desk.restart(route(group_by=("service",), group_wait_s=0.0, group_interval_s=60.0))
    desk.clock.at = 1050.0
    await desk.ledger.retire({RULE.id})
    await desk.ledger.adopt()
    desk.clock.at = 1061.0
    await desk.ledger.flush()
    by_key = {one.dedup_key: one for one in desk.ledger.board.incidents.values()}
    old = by_key.pop(before)
    (new,) = by_key.values()
    assert (old.status, new.status) == (IncidentStatus.RESOLVED, IncidentStatus.TRIGGERED)
    assert new.group_labels == labels(service="orders")
    assert [one.integration for one in (await desk.store.incidents())[0].deliveries] == [PAGERDUTY] * 2


async def test_an_end_that_the_new_routing_gives_to_nobody_is_forgotten() -> None:
    desk = Desktop()
    await desk.enters(1000.0, (ERRORS,))
    await desk.enters(1015.0, ())
    assert desk.states() == ["resolved"]
    await desk.restart(route(key="{}", group_by=("service",)))
    await desk.ledger.adopt()
    assert (await desk.store.load()).alerts == ()
    desk.clock.at = 1100.0
    await desk.ledger.flush()
    assert (await desk.owed())[-1] == "resolve"


async def test_decisions_are_taken_one_at_a_time() -> None:
    """While a pass is being committed, another one waits, and then stands on what was committed."""
    desk = Desktop()
    commits: list[str] = []

    async def slowly(method: str) -> None:
        commits.append(f"{method} begins")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        commits.append(f"{method} ends")

    desk.store.disturb = slowly
    await asyncio.gather(
        desk.enters(1000.0, (ERRORS,)), desk.enters(1000.0, (ERRORS,)), desk.enters(1000.0, (), rule("Other"))
    )
    assert commits == ["commit begins", "commit ends"]
    desk.store.disturb = calm
    assert await desk.owed() == ["trigger", "evidence"]
