"""How a busy store is asked again, in virtual time."""

from __future__ import annotations

import asyncio

import pytest
from prometheus_client import CollectorRegistry

from shopwatch import catalogue
from shopwatch_engine.exceptions import StoreBusy, StoreFailed
from shopwatch_engine.metrics import EngineMetrics
from shopwatch_engine.patience import Patience
from shopwatch_engine.simulation.loop import run_virtually


class Answering:
    """Something that is busy so often, each time for so long, and then answers."""

    def __init__(self, *, busy: int, takes_s: float = 0.0) -> None:
        self.left = busy
        self.takes_s = takes_s
        self.asked = 0

    async def __call__(self) -> str:
        self.asked += 1
        await asyncio.sleep(self.takes_s)
        if self.left:
            self.left -= 1
            raise StoreBusy("store x.db: database is locked")
        return "answer"


async def elapsed(patience: Patience, ask: Answering) -> tuple[str, float]:
    try:
        said = await patience(ask)
    except StoreFailed as error:
        said = str(error)
    return said, asyncio.get_running_loop().time()


def made(registry: CollectorRegistry | None = None, **fields: float) -> Patience:
    return Patience(EngineMetrics(registry or CollectorRegistry()), **fields)


@pytest.mark.parametrize("busy", [0, 1, 7])
def test_asked_until_it_answers(busy: int) -> None:
    registry = CollectorRegistry()
    ask = Answering(busy=busy)
    said, at = run_virtually(elapsed(made(registry, pause_s=0.5), ask), seed=1)
    assert (said, ask.asked) == ("answer", busy + 1)
    assert at == pytest.approx(busy * 0.5, abs=1e-3)
    assert registry.get_sample_value(catalogue.ENGINE_STORE_RETRIES.prometheus_name) == busy


@pytest.mark.parametrize(
    ("takes_s", "asked"), [(0.0, 21), (2.0, 5)], ids=["at once", "after the store's own waiting"]
)
def test_given_up_in_time_however_long_each_answer_takes(takes_s: float, asked: int) -> None:
    ask = Answering(busy=10_000, takes_s=takes_s)
    said, at = run_virtually(elapsed(made(pause_s=0.5, give_up_s=10.0), ask), seed=1)
    assert said.startswith("store x.db: database is locked; still so after 10 s")
    assert "nothing lost" in said
    assert 9.0 <= at <= 12.0
    assert abs(ask.asked - asked) <= 1


def test_what_will_not_mend_is_not_asked_again() -> None:
    async def fails() -> str:
        raise StoreFailed("store x.db: file is not a database")

    async def main() -> None:
        with pytest.raises(StoreFailed, match="not a database"):
            await made()(fails)
        assert asyncio.get_running_loop().time() < 0.01

    run_virtually(main(), seed=1)
