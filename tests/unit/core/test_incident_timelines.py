"""When a receiver's pagers are told what: Alertmanager's timing, as stories."""

from __future__ import annotations

from dataclasses import replace

import pytest

from alert_values import OPSGENIE, PAGERDUTY, alert, integration, labels, receiver, route
from incident_timeline import Timeline
from shopwatch_engine.model import AlertState, DeliveryState, IncidentStatus
from shopwatch_engine.model.routing import MatchSpec

CRITICAL = MatchSpec(name="severity", operator="=", value="critical")


async def test_an_alert_waits_for_group_wait_is_told_once_and_resolved_at_the_next_interval() -> None:
    story = Timeline()
    await story.fires(0, "A")
    await story.until(29.9)
    assert story.told == []
    await story.until(99)
    assert story.told == ["30 trigger A", "30 evidence A"]
    await story.ends(100, "A")
    await story.until(329.9)
    assert len(story.told) == 2
    await story.until(10_000)
    assert story.told == ["30 trigger A", "30 evidence A", "330 resolve"]


async def test_alerts_within_group_wait_are_told_together() -> None:
    story = Timeline()
    await story.fires(0, "A")
    await story.fires(29, "B")
    await story.until(1000)
    assert story.told == ["30 trigger A B", "30 evidence A B"]


async def test_alerts_that_join_or_leave_are_an_update_at_the_next_interval() -> None:
    story = Timeline()
    await story.fires(0, "A")
    await story.fires(45, "B")
    await story.fires(300, "C")
    await story.ends(400, "A")
    await story.until(1000)
    assert story.told[2:] == ["330 update A B C", "630 update B C"]
    assert [one.number for one in story.deliveries] == [1, 2, 3, 4]
    assert len({one.id for one in story.deliveries}) == 4


async def test_both_end_resolve_once() -> None:
    story = Timeline()
    await story.fires(0, "A", "B")
    await story.ends(400, "A")
    await story.ends(500, "B")
    await story.until(10_000)
    assert story.told[2:] == ["630 resolve"]


async def test_one_joins_as_the_other_leaves() -> None:
    story = Timeline()
    await story.fires(0, "A")
    await story.ends(100, "A")
    await story.fires(200, "B")
    await story.until(1000)
    assert story.told[2:] == ["330 update B"]


async def test_what_ends_within_group_wait_is_never_told() -> None:
    story = Timeline()
    await story.fires(0, "A")
    await story.ends(10, "A")
    await story.until(10_000)
    assert story.told == []
    (ended,) = story.board.incidents.values()
    assert (ended.status, ended.notified_at, ended.resolved_at) == (IncidentStatus.RESOLVED, None, 30)
    assert list(story.board.alerts()) == []


async def test_flapping_within_group_wait_keeps_the_first_wait() -> None:
    story = Timeline()
    for at in range(0, 28, 4):
        await story.fires(at, "A")
        await story.ends(at + 2, "A")
    await story.fires(29, "A")
    await story.until(100)
    assert story.told == ["30 trigger A", "30 evidence A"]


async def test_flapping_between_two_looks_is_silence() -> None:
    story = Timeline()
    await story.fires(0, "A")
    await story.ends(100, "A")
    await story.fires(200, "A")
    await story.until(1000)
    assert story.told == ["30 trigger A", "30 evidence A"]


async def test_what_still_fires_is_told_again_after_the_repeat_interval() -> None:
    story = Timeline(route(repeat_interval_s=3600.0))
    await story.fires(0, "A")
    await story.until(30 + 2 * 3600)
    assert story.told[2:] == ["3630 trigger A", "7230 trigger A"]


async def test_the_repeat_interval_runs_from_what_was_told_last() -> None:
    story = Timeline(route(repeat_interval_s=3600.0))
    await story.fires(0, "A")
    await story.fires(3000, "B")
    await story.until(7000)
    assert story.told[2:] == ["3030 update A B", "6630 trigger A B"]


async def test_a_group_that_comes_back_is_a_new_episode_with_debts_of_its_own() -> None:
    story = Timeline()
    await story.fires(0, "A")
    await story.ends(100, "A")
    await story.fires(1000, "A")
    await story.ends(1100, "A")
    await story.until(10_000)
    assert story.told == [
        "30 trigger A",
        "30 evidence A",
        "330 resolve",
        "1030 trigger A",
        "1030 evidence A",
        "1330 resolve",
    ]
    assert [one.episode for one in story.deliveries] == [1, 1, 1, 2, 2, 2]
    assert len({one.id for one in story.deliveries}) == 6
    assert len({one.dedup_key for one in story.deliveries}) == 1


async def test_without_group_wait_it_is_told_at_once() -> None:
    story = Timeline(route(group_wait_s=0.0))
    await story.fires(7, "A")
    assert story.told == ["7 trigger A", "7 evidence A"]


async def test_an_alert_that_begins_to_pend_again_has_ended() -> None:
    story = Timeline()
    await story.fires(0, "A")
    await story.ends(100, "A")
    await story.pends(200, "A")
    await story.until(400)
    assert story.told[2:] == ["330 resolve"]


async def test_pending_alone_tells_nobody() -> None:
    story = Timeline()
    await story.pends(0, "A")
    await story.until(10_000)
    assert story.told == []
    assert story.board.incidents == {}


async def test_what_keeps_firing_still_fires() -> None:
    story = Timeline()
    await story.fires(0, "A")
    (one,) = story.board.alerts()
    await story.tell(100, replace(one, state=AlertState.KEEP_FIRING))
    await story.until(1000)
    assert len(story.told) == 2


async def test_a_pager_that_wants_no_resolves_gets_none() -> None:
    quiet = integration(OPSGENIE, send_resolved=False)
    story = Timeline(route(), receiver(integration(), quiet))
    await story.fires(0, "A")
    await story.ends(100, "A")
    await story.fires(1000, "A")
    await story.until(2000)
    assert story.told_to(PAGERDUTY) == [
        "30 trigger A",
        "30 evidence A",
        "330 resolve",
        "1030 trigger A",
        "1030 evidence A",
    ]
    assert story.told_to(OPSGENIE) == [one for one in story.told_to(PAGERDUTY) if "resolve" not in one]


async def test_a_receiver_without_pagers_wakes_nobody_and_its_incident_goes_its_way() -> None:
    story = Timeline(route(), receiver())
    await story.fires(0, "A")
    await story.until(50)
    (there,) = story.board.incidents.values()
    assert (there.status, story.told) == (IncidentStatus.TRIGGERED, [])
    await story.ends(100, "A")
    await story.until(1000)
    (gone,) = story.board.incidents.values()
    assert (gone.status, story.told) == (IncidentStatus.RESOLVED, [])
    assert list(story.board.alerts()) == []


async def test_each_pager_of_a_receiver_is_owed_each_thing() -> None:
    story = Timeline(route(), receiver(integration(), integration(OPSGENIE)))
    await story.fires(0, "A")
    await story.ends(100, "A")
    await story.until(1000)
    assert (
        story.told_to(PAGERDUTY)
        == story.told_to(OPSGENIE)
        == ["30 trigger A", "30 evidence A", "330 resolve"]
    )


async def test_groups_are_told_apart() -> None:
    story = Timeline(route(group_by=("zone",)))
    await story.fires(0, "A", zone="a")
    await story.fires(10, "A", zone="b")
    await story.ends(100, "A", zone="a")
    await story.until(1000)
    assert [line for line in story.told if "evidence" not in line] == [
        "30 trigger A",
        "40 trigger A",
        "330 resolve",
    ]


async def test_an_alert_in_two_groups_is_forgotten_once_both_have_told_its_end() -> None:
    fast = route(key="fast", receiver="fast", matchers=(CRITICAL,), continue_=True, group_interval_s=60.0)
    slow = route(key="slow", receiver="slow", matchers=(CRITICAL,), group_interval_s=600.0)
    tree = route(routes=(fast, slow))
    pagers = [receiver(integration(f"{name}/pagerduty/0"), name=name) for name in ("fast", "slow")]
    story = Timeline(tree, *pagers)
    await story.fires(0, "A")
    await story.ends(50, "A")
    await story.until(100)
    assert story.told_to("fast/pagerduty/0")[-1] == "90 resolve"
    assert story.told_to("slow/pagerduty/0")[-1] == "30 evidence A"
    assert [one.state for one in story.board.alerts()] == [AlertState.RESOLVED]
    await story.until(1000)
    assert story.told_to("slow/pagerduty/0")[-1] == "630 resolve"
    assert list(story.board.alerts()) == []
    assert (await story.store.load()).alerts == ()


async def test_an_end_that_was_told_is_forgotten_while_others_fire_on() -> None:
    story = Timeline()
    await story.fires(0, "A", "B")
    await story.ends(100, "A")
    await story.until(329)
    assert len(list(story.board.alerts())) == 2
    await story.until(330)
    assert [one.labels.get("alertname") for one in story.board.alerts()] == ["B"]


async def test_the_same_labels_of_two_rules_are_one_alert_to_the_pager() -> None:
    story = Timeline()
    one = alert("A")
    twin = replace(one, rule_id="other/A")
    await story.tell(0, one, twin)
    await story.tell(100, replace(one, state=AlertState.RESOLVED))
    await story.until(400)
    assert story.told == ["30 trigger A A", "30 evidence A A"]
    await story.tell(500, replace(twin, state=AlertState.RESOLVED))
    await story.until(1000)
    assert story.told[2:] == ["630 resolve"]
    assert list(story.board.alerts()) == []


STEPS = (0.0, 10.0, 30.0, 45.0, 300.0, 330.0, 400.0, 640.0, 930.0, 950.0)


@pytest.mark.parametrize("restart_at", STEPS)
async def test_an_engine_that_starts_goes_on_exactly(restart_at: float) -> None:
    told = []
    for restarts in (False, True):
        story = Timeline()
        for at in STEPS:
            await story.until(at)
            if restarts and at == restart_at:
                await story.restart()
            match at:
                case 0.0:
                    await story.fires(at, "A")
                case 45.0:
                    await story.fires(at, "B")
                case 400.0:
                    await story.ends(at, "A")
                case 640.0:
                    await story.ends(at, "B")
        told.append([(one.id, one.created_at) for one in story.deliveries])
        assert story.told[2:] == ["330 update A B", "630 update B", "930 resolve"]
    assert told[0] == told[1]


async def test_an_engine_that_starts_late_tells_at_once_what_was_due() -> None:
    story = Timeline()
    await story.fires(0, "A")
    await story.restart()
    await story.look(500)
    await story.ends(600, "A")
    await story.restart()
    await story.look(5000)
    assert story.told == ["500 trigger A", "500 evidence A", "5000 resolve"]


async def test_a_look_without_news_is_no_transaction_and_a_restart_looks_again() -> None:
    story = Timeline()
    await story.fires(0, "A")
    await story.until(331)
    committed = await story.store.load()
    assert [one.flush_at for one in committed.incidents] == [330]
    assert [one.flush_at for one in story.board.incidents.values()] == [630]
    await story.restart()
    await story.look(400)
    await story.fires(450, "B")
    await story.until(1000)
    assert story.told[2:] == ["700 update A B"]


async def test_an_incident_whose_route_is_gone_is_resolved() -> None:
    child = route(key="child", matchers=(CRITICAL,))
    story = Timeline(route(routes=(child,)))
    await story.fires(0, "A")
    await story.until(50)
    await story.restart(route())
    await story.until(1000)
    assert story.told[2:] == ["330 resolve"]
    assert story.deliveries[-1].dedup_key == story.deliveries[0].dedup_key


async def test_what_was_delivered_changes_nothing_in_what_is_owed() -> None:
    story = Timeline()
    await story.fires(0, "A")
    await story.until(50)
    (record,) = await story.store.incidents()
    assert [one.state for one in record.deliveries] == [DeliveryState.PENDING] * 2
    assert record.incident.group_labels == labels()
