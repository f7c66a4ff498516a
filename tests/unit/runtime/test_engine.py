"""The whole engine in virtual time: what its source says, and what its pager hears."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Coroutine

import pytest

from alert_values import labels, route, rule, sample
from shopwatch import catalogue
from shopwatch_engine.exceptions import SourceError, StoreBusy, StoreFailed
from shopwatch_engine.model import Action, AlertState, IncidentStatus, RecordRule, RuleGroup, RuleSet
from shopwatch_engine.simulation.loop import run_virtually
from shopwatch_engine.steps import Step
from shopwatch_engine.testing.store import calm
from virtual_engine import QUICK, World, during, seconds, until

OWN = "ShopwatchEvaluationFailing"
DOWN = SourceError("connection refused")
BAD = SourceError("execution: many-to-many matching not allowed", culprit=True)
HOUR = 3600.0
Story = Callable[[World], Coroutine[None, None, None]]

ERRORS = rule("Errors", labels=labels(severity="critical"), annotations=labels(summary="orders fail"))
SLOW = rule("Slow", labels=labels(severity="warning"), for_s=30.0)


def world_of(*rules: object, **fields: object) -> World:
    return World(rules=list(rules or (ERRORS,)), **fields)  # type: ignore[arg-type]


def lived(world: World, length_s: float, story: Story | None = None, *, seed: int = 1) -> World:
    """One life of an engine, and a story that happens meanwhile."""

    async def main() -> None:
        meanwhile = asyncio.create_task(story(world)) if story else None
        await world.live(length_s)
        if meanwhile:
            await meanwhile

    run_virtually(main(), seed=seed)
    return world


# ---------------------------------------------------------------- from a sample to a page
@pytest.mark.parametrize("seed", range(5))
def test_a_condition_becomes_one_incident_with_evidence_and_one_resolve(seed: int) -> None:
    world = world_of(ERRORS, SLOW)
    world.source.tell(ERRORS.expr, during((20.0, 100.0), zone="a"))
    lived(world, 300.0, seed=seed)
    assert world.told() == ["trigger Errors", "resolve Errors"]
    (there,) = world.pager.incidents
    assert (there.resolved, there.has_evidence) == (True, True)


def test_the_page_comes_within_a_pass_and_group_wait() -> None:
    async def story(world: World) -> None:
        await until(20.0)
        assert world.told() == []
        await until(20.0 + 15.0 + 1.0 + 0.1)
        assert world.told() == ["trigger Errors"]

    world = world_of()
    world.source.tell(ERRORS.expr, during((20.0, 1e9)))
    lived(world, 100.0, story)


def test_a_condition_that_is_too_short_for_its_for_pages_nobody() -> None:
    world = world_of(SLOW)
    world.source.tell(SLOW.expr, during((20.0, 45.0), (100.0, 125.0)))
    assert lived(world, 300.0).told() == []


def test_a_group_with_a_query_offset_asks_about_the_past() -> None:
    async def story(world: World) -> None:
        await until(49.0)
        assert world.told() == []
        await until(50.0 + 15.0 + 1.0 + 0.1)
        assert world.told() == ["trigger Errors"]

    world = world_of(query_offset_s=30.0)
    world.source.tell(ERRORS.expr, during((20.0, 1e9)))
    lived(world, 100.0, story)


def test_many_rules_are_one_query_a_pass() -> None:
    world = lived(world_of(*(rule(f"Rule{n}") for n in range(40))), 150.0)
    assert 9 <= len(world.source.queries) <= 11
    times = [at for _, at in world.source.queries]
    gaps = {round(later - earlier, 3) for earlier, later in itertools.pairwise(times)}
    assert gaps == {15.0}


def test_recording_rules_alone_are_not_asked() -> None:
    async def main() -> None:
        engine = world._engine()
        record = RecordRule(group="records", record="a:b:c", expr="sum(a)")
        engine.rules = RuleSet(
            groups=(RuleGroup(name="records", file="r.yml", interval_s=15.0, rules=(record,)),)
        )
        working = asyncio.create_task(engine.run())
        await asyncio.wait({working}, timeout=100.0)
        assert not working.done()
        working.cancel()
        await asyncio.wait({working})

    world = world_of()
    run_virtually(main(), seed=1)
    assert world.source.queries == []


# ---------------------------------------------------------------- an error is not a recovery
def test_a_source_that_is_away_for_an_hour_resolves_nothing_and_is_paged_about() -> None:
    async def story(world: World) -> None:
        await until(100.0)
        assert world.told() == ["trigger Errors"]
        world.source.down = DOWN
        await until(100.0 + 290.0)
        assert world.told() == ["trigger Errors"]
        await until(100.0 + 345.0)
        assert world.told() == ["trigger Errors", f"trigger {OWN}"]
        await until(100.0 + HOUR)
        assert world.told(Action.RESOLVE) == []
        assert world.open_incidents() == ["Errors", OWN]
        world.source.down = None
        await until(100.0 + HOUR + 120.0)
        assert world.told(Action.RESOLVE) == [f"resolve {OWN}"]
        assert world.open_incidents() == ["Errors"]

    world = world_of()
    world.source.tell(ERRORS.expr, during((20.0, 1e9)))
    lived(world, HOUR + 300.0, story)


def test_a_condition_that_ended_while_the_source_was_away_resolves_once_that_has_settled() -> None:
    async def story(world: World) -> None:
        await until(100.0)
        world.source.down = DOWN
        await until(1000.0)
        world.source.down = None
        await until(1120.0)
        assert world.told() == ["trigger Errors"]
        await until(1200.0)
        assert world.told() == ["trigger Errors", "resolve Errors"]

    world = world_of(rule("Errors", lookback_s=120.0), unknown_after_s=1e9)
    world.source.tell(ERRORS.expr, during((20.0, 500.0)))
    lived(world, 1300.0, story)


def test_a_rule_whose_own_query_begins_to_fail_is_held_and_the_others_live_on() -> None:
    async def story(world: World) -> None:
        await until(100.0)
        assert sorted(world.told()) == ["trigger Errors", "trigger Slow"]
        world.source.tell(ERRORS.expr, BAD)
        await until(300.0)
        assert world.told(Action.RESOLVE) == ["resolve Slow"]
        await until(HOUR)
        assert world.open_incidents() == ["Errors", OWN]
        page = next(one for one in world.pager.pages if one.notification.group_labels.get("alertname") == OWN)
        assert page.notification.title == "1 rule(s) of the group shop cannot be evaluated"
        world.source.tell(ERRORS.expr, ())
        await until(HOUR + 120.0)
        assert world.open_incidents() == []

    world = world_of(ERRORS, SLOW)
    world.source.tell(ERRORS.expr, during((20.0, 1e9)))
    world.source.tell(SLOW.expr, during((20.0, 200.0)))
    lived(world, HOUR + 200.0, story)


def test_a_short_outage_pages_nobody() -> None:
    async def story(world: World) -> None:
        await until(100.0)
        world.source.down = DOWN
        await until(300.0)
        world.source.down = None

    assert lived(world_of(), HOUR, story).told() == []


def test_an_outage_across_a_restart_is_one_outage() -> None:
    async def main() -> None:
        world.source.down = DOWN
        for end in (150.0, 300.0, 360.0):
            await world.live(end)
        assert world.told() == [f"trigger {OWN}"]

    world = world_of()
    run_virtually(main(), seed=1)


def test_a_rule_over_its_groups_limit_is_held() -> None:
    async def story(world: World) -> None:
        await until(100.0)
        world.source.tell(ERRORS.expr, tuple(sample(1.0, n=str(n)) for n in range(3)))
        await until(600.0)
        assert world.open_incidents() == ["Errors", OWN]

    world = world_of(limit=2)
    world.source.tell(ERRORS.expr, (sample(1.0, n="0"),))
    lived(world, 700.0, story)


# ---------------------------------------------------------------- the store
def store_errors(error: BaseException) -> list[BaseException]:
    """The errors inside groups of groups."""
    if isinstance(error, BaseExceptionGroup):
        return [leaf for one in error.exceptions for leaf in store_errors(one)]
    return [error]


async def _no_database(method: str) -> None:
    raise StoreFailed(f"store x.db: file is not a database ({method})")


async def _locked(method: str) -> None:
    raise StoreBusy(f"store x.db: database is locked ({method})")


def test_a_store_that_fails_stops_the_engine_and_the_next_one_goes_on() -> None:
    async def fail(world: World) -> None:
        await until(15.0)
        world.store.disturb = _no_database

    async def main() -> None:
        story = asyncio.create_task(fail(world))
        with pytest.raises(ExceptionGroup) as stopped:
            await world.live(HOUR)
        await story
        assert {type(one) for one in store_errors(stopped.value)} == {StoreFailed}
        assert seconds() < 40.0
        assert world.told() == []
        world.store.disturb = calm
        await world.live(seconds() + 300.0)
        assert world.told() == ["trigger Errors", "resolve Errors"]

    world = world_of()
    world.source.tell(ERRORS.expr, during((20.0, 150.0)))
    run_virtually(main(), seed=1)


def test_a_store_that_stays_busy_stops_the_engine_clearly() -> None:
    async def lock(world: World) -> None:
        await until(10.0)
        world.store.disturb = _locked

    async def main() -> None:
        story = asyncio.create_task(lock(world))
        with pytest.raises(ExceptionGroup) as stopped:
            await world.live(HOUR)
        await story
        said = {str(one) for one in store_errors(stopped.value)}
        assert all("database is locked" in one and "stops with nothing lost" in one for one in said)
        assert 60.0 <= seconds() <= 110.0

    world = world_of()
    world.source.tell(ERRORS.expr, during((20.0, 1e9)))
    run_virtually(main(), seed=1)


@pytest.mark.parametrize("span", [(10.0, 50.0), (36.0, 90.0), (95.0, 140.0)], ids=str)
@pytest.mark.parametrize("seed", range(3))
def test_a_store_that_is_busy_for_a_while_loses_nothing(span: tuple[float, float], seed: int) -> None:
    async def story(world: World) -> None:
        await until(span[0])
        world.store.disturb = _locked
        await until(span[1])
        world.store.disturb = calm

    world = world_of(ERRORS, SLOW)
    world.source.tell(ERRORS.expr, during((20.0, 100.0)))
    world.source.tell(SLOW.expr, during((20.0, 100.0)))
    lived(world, 400.0, story, seed=seed)
    assert sorted(world.told()) == ["resolve Errors", "resolve Slow", "trigger Errors", "trigger Slow"]
    assert world.open_incidents() == []


# ---------------------------------------------------------------- crashes, restarts
class Crash(BaseException):
    """The engine's process ends here."""


class CrashOnce:
    """A checkpoint that ends the engine at one place, the first time it gets there."""

    def __init__(self, step: Step, action: Action) -> None:
        self.place = (step, action)
        self.crashed = False

    def __call__(self, step: Step, action: Action) -> None:
        if not self.crashed and (step, action) == self.place:
            self.crashed = True
            raise Crash


PLACES = [(step, action) for step in Step for action in (Action.TRIGGER, Action.EVIDENCE, Action.RESOLVE)]


@pytest.mark.parametrize(("step", "action"), PLACES, ids=lambda one: one.value)
def test_a_crash_at_any_step_leaves_one_incident_and_one_resolve(step: Step, action: Action) -> None:
    crash = CrashOnce(step, action)
    world = world_of(checkpoint=crash)
    world.source.tell(ERRORS.expr, during((20.0, 200.0)))

    async def main() -> None:
        with pytest.raises(BaseExceptionGroup) as ended:
            await world.live(400.0)
        assert {type(one) for one in store_errors(ended.value)} == {Crash}
        await asyncio.sleep(7.0)
        await world.live(400.0)

    run_virtually(main(), seed=1)
    assert crash.crashed
    (there,) = world.pager.incidents
    assert (there.resolved, there.has_evidence) == (True, True)


def test_a_rule_that_is_removed_while_the_engine_is_down_resolves() -> None:
    async def main() -> None:
        await world.live(100.0)
        assert sorted(world.told()) == ["trigger Errors", "trigger Slow"]
        world.rules.remove(ERRORS)
        await world.live(200.0)
        assert world.told(Action.RESOLVE) == ["resolve Errors"]
        assert world.open_incidents() == ["Slow"]
        assert [one.rule_id for one in (await world.store.load()).alerts] == [SLOW.id]

    world = world_of(ERRORS, SLOW)
    for one in world.rules:
        world.source.tell(one.expr, during((20.0, 1e9)))
    run_virtually(main(), seed=1)


def test_an_alert_that_fires_is_paged_anew_when_the_routing_sends_it_elsewhere() -> None:
    async def main() -> None:
        await world.live(100.0)
        world.root = route(key="{}/new", group_by=("alertname",), group_wait_s=1.0, group_interval_s=15.0)
        await world.live(200.0)
        assert sorted(world.told()) == ["resolve Errors", "trigger Errors", "trigger Errors"]
        assert world.open_incidents() == ["Errors"]

    world = world_of()
    world.source.tell(ERRORS.expr, during((20.0, 1e9)))
    run_virtually(main(), seed=1)


def test_a_restart_pages_nobody_again() -> None:
    async def main() -> None:
        for end in range(50, 1000, 50):
            await world.live(float(end))
        assert world.told() == ["trigger Errors"]

    world = world_of()
    world.source.tell(ERRORS.expr, during((20.0, 1e9)))
    run_virtually(main(), seed=1)


def test_what_pends_goes_on_pending_across_a_restart() -> None:
    async def main() -> None:
        await world.live(60.0)
        (pending,) = (await world.store.load()).alerts
        assert pending.state is AlertState.PENDING
        await world.live(20.0 + 300.0 + 17.0)
        assert world.told() == ["trigger Long"]

    world = world_of(rule("Long", for_s=300.0))
    world.source.tell("long > 0", during((20.0, 1e9)))
    run_virtually(main(), seed=1)


# ---------------------------------------------------------------- what an operator sees
def test_the_engine_counts_what_it_does() -> None:
    async def story(world: World) -> None:
        await until(100.0)
        value = world.registry.get_sample_value
        evaluations = catalogue.ENGINE_EVALUATIONS.prometheus_name
        counted = {
            result: sum(
                one.value
                for metric in world.registry.collect()
                for one in metric.samples
                if one.name == evaluations and result in one.labels.values()
            )
            for result in ("success", "failure")
        }
        assert counted["failure"] == 0
        assert counted["success"] >= 2 * 5
        states = {state: value(catalogue.ENGINE_ALERTS.prometheus_name, {_STATE: state}) for state in STATES}
        assert states == {"firing": 1, "pending": 1, "keep_firing": 0, "unknown": 0}
        world.source.down = DOWN
        await until(150.0)
        assert value(catalogue.ENGINE_ALERTS.prometheus_name, {_STATE: "unknown"}) == 2

    world = world_of(ERRORS, rule("Long", for_s=1e6))
    for one in world.rules:
        world.source.tell(one.expr, during((20.0, 1e9)))
    lived(world, 200.0, story)


STATES = ("firing", "pending", "keep_firing", "unknown")
_STATE = catalogue.ENGINE_ALERTS.labels[0]


def test_passes_that_a_slow_source_overruns_are_counted_not_made_up() -> None:
    world = world_of()
    world.source.latency_s = 40.0
    lived(world, 10 * 45.0 + 20.0)
    name = catalogue.ENGINE_MISSED.prometheus_name
    missed = world.registry.get_sample_value(name, {catalogue.ENGINE_MISSED.labels[0]: "shop"})
    assert len(world.source.queries) in {10, 11}
    assert missed == 2 * (len(world.source.queries) - 1)


def test_ready_once_the_state_is_loaded() -> None:
    async def slow_start(_method: str) -> None:
        await asyncio.sleep(30.0)

    async def story(world: World) -> None:
        await until(29.0)
        assert world.engine is not None
        assert not world.engine.is_ready
        await until(31.0)
        assert world.engine.is_ready

    world = world_of()
    world.store.disturb = slow_start
    lived(world, 60.0, story)


def test_an_incident_nobody_heard_of_ends_in_silence() -> None:
    world = world_of(root=route(group_by=QUICK.group_by, group_wait_s=120.0))
    world.source.tell(ERRORS.expr, during((20.0, 80.0)))
    lived(world, 400.0)
    assert world.pager.pages == []
    assert world.engine is not None
    assert world.engine.board is not None
    (silent,) = world.engine.board.incidents.values()
    assert silent.status is IncidentStatus.RESOLVED


def test_resolved_incidents_are_kept_for_the_retention() -> None:
    async def story(world: World) -> None:
        await until(300.0)
        assert len(await world.store.incidents()) == 1
        await until(600.0 + 2 * 3600.0)
        assert await world.store.incidents() == ()

    world = world_of(retention_s=600.0)
    world.source.tell(ERRORS.expr, during((20.0, 100.0)))
    lived(world, 600.0 + 2 * 3600.0 + 1.0, story)
