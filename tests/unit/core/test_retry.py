"""When a delivery is tried again."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shopwatch_engine.core.retry import RetryPolicy

POLICY = RetryPolicy(base_s=0.5, cap_s=15.0)
ALMOST_ONE = math.nextafter(1.0, 0.0)


@pytest.mark.parametrize(
    ("attempts", "ceiling"),
    [(1, 0.5), (2, 1.0), (3, 2.0), (5, 8.0), (6, 15.0), (7, 15.0), (64, 15.0), (10_000, 15.0)],
)
def test_the_ceiling_doubles_up_to_the_cap(attempts: int, ceiling: float) -> None:
    assert POLICY.delay_s(attempts, uniform=0.0) == 0.0
    assert POLICY.delay_s(attempts, uniform=0.5) == ceiling / 2
    assert POLICY.delay_s(attempts, uniform=ALMOST_ONE) == pytest.approx(ceiling)


@given(
    attempts=st.integers(1, 10**6),
    uniform=st.floats(0.0, 1.0, exclude_max=True),
    retry_after=st.none() | st.floats(0.0, 1e6),
)
def test_the_wait_is_within_its_bounds(attempts: int, uniform: float, retry_after: float | None) -> None:
    delay = POLICY.delay_s(attempts, uniform=uniform, retry_after_s=retry_after)
    assert (retry_after or 0.0) <= delay <= max(POLICY.cap_s, retry_after or 0.0)


@pytest.mark.parametrize(
    ("retry_after", "wanted"), [(60.0, 60.0), (2.0, 7.5), (0.0, 7.5), (None, 7.5)], ids=str
)
def test_what_the_pager_asked_for_is_a_floor(retry_after: float | None, wanted: float) -> None:
    assert POLICY.delay_s(20, uniform=0.5, retry_after_s=retry_after) == wanted


def test_a_crowd_of_retries_is_spread_over_the_whole_wait() -> None:
    delays = sorted(POLICY.delay_s(8, uniform=index / 100) for index in range(100))
    gaps = [later - earlier for earlier, later in itertools.pairwise(delays)]
    assert max(gaps) == pytest.approx(0.15)
