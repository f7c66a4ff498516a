"""At which times a group is looked at."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shopwatch_engine.runtime.grid import missed, next_pass, offset_s

NOW = st.floats(1.6e9, 2.2e9)
INTERVAL = st.sampled_from([0.1, 1.0, 7.0, 15.0, 60.0, 300.0, 86_400.0])


def test_the_grid_is_counted_from_the_epoch() -> None:
    assert [next_pass(now, 15.0, 0.0) for now in (0.0, 14.9, 15.0, 29.0)] == [15.0, 15.0, 30.0, 30.0]
    assert [next_pass(now, 15.0, 4.0) for now in (3.9, 4.0, 18.0, 19.0)] == [4.0, 19.0, 19.0, 34.0]


@given(now=NOW, interval_s=INTERVAL, share=st.floats(0.0, 1.0, exclude_max=True))
def test_the_next_pass_is_after_now_and_within_an_interval(
    now: float, interval_s: float, share: float
) -> None:
    at = next_pass(now, interval_s, share * interval_s)
    assert now < at <= now + interval_s + 1e-6


@given(now=NOW, interval_s=INTERVAL, share=st.floats(0.0, 1.0, exclude_max=True))
def test_passes_follow_each_other_by_the_interval(now: float, interval_s: float, share: float) -> None:
    """From a pass that took no time at all, the next one is the next on the grid."""
    offset = share * interval_s
    first = next_pass(now, interval_s, offset)
    second = next_pass(first, interval_s, offset)
    assert second - first == pytest.approx(interval_s, abs=1e-6)
    assert missed(first, second, interval_s) == 0


@pytest.mark.parametrize(
    ("now", "offset"),
    [(2177320675.159058, 0.05905839712874153), (2172889764.6089163, 0.008916201761131004)],
)
def test_a_time_on_the_grid_that_rounding_puts_before_it_is_not_its_own_next(
    now: float, offset: float
) -> None:
    assert next_pass(now, 0.1, offset) - now == pytest.approx(0.1, abs=1e-6)


def test_a_restart_looks_at_the_same_times() -> None:
    offset = offset_s("shop.yml", "edge", 60.0)
    first = next_pass(1_800_000_000.0, 60.0, offset)
    later = next_pass(first + 3599.0, 60.0, offset)
    assert (later - first) % 60.0 == pytest.approx(0.0, abs=1e-6)


def test_the_offset_is_a_groups_own_and_lies_within_its_interval() -> None:
    offsets = [offset_s(f"{file}.yml", f"group-{n}", 60.0) for file in "ab" for n in range(100)]
    assert len(set(offsets)) == 200
    assert all(0.0 <= one < 60.0 for one in offsets)
    assert all(sum(low <= one < low + 15.0 for one in offsets) > 25 for low in (0.0, 15.0, 30.0, 45.0))
    assert offset_s("a.yml", "group-1", 60.0) == offsets[1]


def test_file_and_name_do_not_run_together() -> None:
    assert offset_s("ab", "c", 60.0) != offset_s("a", "bc", 60.0)


@pytest.mark.parametrize(
    ("last", "upcoming", "wanted"),
    [(0.0, 15.0, 0), (0.0, 30.0, 1), (0.0, 150.0, 9), (0.0, 0.0, 0), (60.0, 15.0, 0), (0.1, 15.0999, 0)],
    ids=["none", "one", "nine", "the same again", "a clock set back", "rounding"],
)
def test_how_many_were_missed(last: float, upcoming: float, wanted: int) -> None:
    assert missed(last, upcoming, 15.0) == wanted
