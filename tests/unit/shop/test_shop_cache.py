from __future__ import annotations

import random
import threading
from collections.abc import Iterator

import pytest

from shop.cache import LosingCache, MemoryCache, ReadThrough
from shopwatch import catalogue
from shopwatch.testing import Watched, watch


class Seconds:
    """A clock that goes when it is told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


async def _nothing(*_: object) -> None:
    """An application that is never called."""


@pytest.fixture
def watched() -> Iterator[Watched[object]]:
    with watch(_nothing, service="catalogue") as made:
        yield made


@pytest.fixture
def clock() -> Seconds:
    return Seconds()


@pytest.fixture
def losing() -> threading.Event:
    return threading.Event()


@pytest.fixture
def cache(clock: Seconds, losing: threading.Event) -> ReadThrough:
    inner = LosingCache(MemoryCache(clock=clock), losing)
    return ReadThrough("products", inner, ttl_s=100, rng=random.Random(1), clock=clock)


def counted(watched: Watched[object], result: str) -> float:
    return watched.value(
        catalogue.CACHE_REQUESTS, shopwatch_cache_name="products", shopwatch_cache_result=result
    )


def warnings(watched: Watched[object]) -> list[str]:
    return [str(found.log_record.body) for found in watched.logs("shop.cache")]


def test_an_entry_lives_as_long_as_it_was_given(clock: Seconds) -> None:
    cache = MemoryCache(clock=clock)
    cache.put("mug", "text", 10)
    clock.now += 9.9
    assert cache.get("mug") == "text"
    clock.now += 0.1
    assert cache.get("mug") is None


def test_the_source_is_asked_once(watched: Watched[object], cache: ReadThrough) -> None:
    answers = iter(["fresh"])
    assert [cache.get("mug", lambda: next(answers)) for _ in range(3)] == ["fresh"] * 3
    assert (counted(watched, "miss"), counted(watched, "hit")) == (1, 2)
    assert warnings(watched) == []


def test_a_warmed_entry_is_hit_at_once(watched: Watched[object], cache: ReadThrough) -> None:
    cache.keep("mug", "warm")
    assert cache.get("mug", lambda: "cold") == "warm"
    assert (counted(watched, "miss"), counted(watched, "hit")) == (0, 1)


def test_entries_that_were_cached_together_do_not_expire_together(cache: ReadThrough, clock: Seconds) -> None:
    for number in range(40):
        cache.keep(str(number), "old")
    clock.now += 100
    gone = sum(cache.get(str(number), lambda: "new") == "new" for number in range(40))
    assert 5 < gone < 35


def test_what_is_lost_before_its_time_is_a_miss_and_a_warning(
    watched: Watched[object], cache: ReadThrough, losing: threading.Event
) -> None:
    cache.keep("mug", "old")
    losing.set()
    assert [cache.get("mug", lambda: "new") for _ in range(2)] == ["new", "new"]
    assert counted(watched, "miss") == 2
    assert all("'mug'" in line and "before its time" in line for line in warnings(watched))
    assert len(warnings(watched)) == 2


def test_a_cache_that_no_longer_loses_is_warm_again_after_one_miss(
    watched: Watched[object], cache: ReadThrough, losing: threading.Event
) -> None:
    losing.set()
    cache.get("mug", lambda: "new")
    losing.clear()
    assert [cache.get("mug", lambda: "new") for _ in range(3)] == ["new"] * 3
    assert (counted(watched, "miss"), counted(watched, "hit")) == (2, 2)


def test_what_is_nowhere_is_not_kept(watched: Watched[object], cache: ReadThrough) -> None:
    assert [cache.get("unicorn", lambda: None) for _ in range(2)] == [None, None]
    assert counted(watched, "miss") == 2


def test_an_entry_that_expired_is_no_warning(
    watched: Watched[object], cache: ReadThrough, clock: Seconds
) -> None:
    cache.keep("mug", "old")
    clock.now += 151
    assert cache.get("mug", lambda: "new") == "new"
    assert warnings(watched) == []
