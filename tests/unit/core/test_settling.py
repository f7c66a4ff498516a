"""How long an empty answer is not yet a recovery."""

from __future__ import annotations

import pytest

from alert_values import rule
from shopwatch_engine.core.settling import DISCOVERY_S, Settling, failed
from shopwatch_engine.model import RuleHealth

RATE = rule(lookback_s=300.0)
INSTANT = rule(lookback_s=0.0)


def test_a_failure_remembers_when_it_began_and_what_was_said_last() -> None:
    first = failed(RATE, None, error="connection refused", now=100.0)
    again = failed(RATE, first, error="timed out", now=115.0)
    assert again == RuleHealth(rule_id=RATE.id, failing_since=100.0, error="timed out")


def test_a_new_failure_within_the_settling_keeps_it() -> None:
    before = RuleHealth(rule_id=RATE.id, settled_at=500.0)
    after = failed(RATE, before, error="timed out", now=200.0)
    assert (after.failing_since, after.settled_at) == (200.0, 500.0)


@pytest.mark.parametrize(
    ("one", "seconds"),
    [(INSTANT, DISCOVERY_S + 15.0), (RATE, DISCOVERY_S + 15.0 + 300.0)],
    ids=["an instant selector waits for the first scrape", "a range waits until it is full as well"],
)
def test_absences_count_again_once_the_ranges_hold_only_what_came_after(one: object, seconds: float) -> None:
    settling = Settling(began_at=0.0, scrape_interval_s=15.0)
    assert settling.seconds(one) == seconds  # type: ignore[arg-type]
    failing = RuleHealth(rule_id=RATE.id, failing_since=1000.0, error="down")
    health = settling.recovered(one, failing, now=2000.0)  # type: ignore[arg-type]
    assert health == RuleHealth(rule_id=RATE.id, settled_at=2000.0 + seconds)
    assert not settling.is_over(one, health, now=2000.0 + seconds - 0.1)  # type: ignore[arg-type]
    assert settling.is_over(one, health, now=2000.0 + seconds)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "health", [None, RuleHealth(rule_id=RATE.id), RuleHealth(rule_id=RATE.id, settled_at=9.0)]
)
def test_a_rule_that_was_well_has_nothing_to_recover_from(health: RuleHealth | None) -> None:
    assert Settling().recovered(RATE, health, now=2000.0) is None


def test_an_engine_that_starts_holds_absences_as_long() -> None:
    settling = Settling(began_at=5000.0, scrape_interval_s=15.0)
    over_at = 5000.0 + settling.seconds(RATE)
    assert not settling.is_over(RATE, None, now=over_at - 1)
    assert settling.is_over(RATE, None, now=over_at)


def test_the_later_of_start_and_recovery_counts() -> None:
    settling = Settling(began_at=5000.0, scrape_interval_s=15.0)
    health = RuleHealth(rule_id=RATE.id, settled_at=9000.0)
    assert [settling.is_over(RATE, health, now=at) for at in (8999.0, 9000.0)] == [False, True]
