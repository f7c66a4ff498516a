from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from shopwatch import settings
from shopwatch.export import Batcher
from shopwatch.guard import Guard


class Sink:
    """Takes batches; can be told to refuse, raise or hang."""

    def __init__(self) -> None:
        self.batches = []
        self.dropped = 0
        self.entered = threading.Semaphore(0)
        self.release = threading.Event()
        self.release.set()
        self.answer = True

    def send(self, batch: Any) -> Any:
        self.entered.release()
        self.release.wait(30)
        if isinstance(self.answer, Exception):
            raise self.answer
        self.batches.append(list(batch))
        return self.answer

    def drop(self, count: Any) -> None:
        self.dropped += count


@pytest.fixture
def sink() -> Iterator[Any]:
    made = Sink()
    yield made
    made.release.set()


def batcher(sink: Any, *, queue: Any = 8, batch: Any = 4) -> Any:
    limits = settings.read(
        {
            "OTEL_BSP_MAX_QUEUE_SIZE": str(queue),
            "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": str(batch),
            "OTEL_BSP_SCHEDULE_DELAY": "60000",
        }
    ).traces
    return Batcher(sink.send, limits, dropped=sink.drop, guard=Guard(), name="test")


def soon(seconds: Any = 5.0) -> Any:
    return time.monotonic() + seconds


def close(made: Any, deadline: Any) -> Any:
    made.begin_close()
    return made.end_close(deadline)


def test_a_full_batch_goes_out_at_once(sink: Any) -> None:
    made = batcher(sink)
    for number in range(4):
        made.put(number)
    assert sink.entered.acquire(timeout=5)
    assert close(made, soon())
    assert sink.batches == [[0, 1, 2, 3]]


def test_flush_sends_what_is_there_in_order(sink: Any) -> None:
    made = batcher(sink)
    for number in range(6):
        made.put(number)
    assert made.flush(soon())
    assert [item for batch in sink.batches for item in batch] == list(range(6))
    close(made, soon())


def test_a_full_queue_drops_the_new_counts_it_and_never_waits(sink: Any) -> None:
    made = batcher(sink)
    sink.release.clear()
    for number in range(4):
        made.put(number)
    assert sink.entered.acquire(timeout=5)  # the thread hangs with the first batch
    started = time.perf_counter()
    for number in range(20):
        made.put(number)
    assert time.perf_counter() - started < 0.5
    assert sink.dropped == 12
    sink.release.set()
    close(made, soon())


@pytest.mark.parametrize("answer", [False, OSError("gone")], ids=["refused", "raised"])
def test_a_batch_that_was_not_taken_is_counted(sink: Any, answer: Any) -> None:
    made = batcher(sink)
    sink.answer = answer
    made.put(1)
    made.put(2)
    assert made.flush(soon())
    assert sink.dropped == 2
    close(made, soon())


def test_closing_sends_what_is_left_and_takes_nothing_more(sink: Any) -> None:
    made = batcher(sink)
    made.put(1)
    assert close(made, soon())
    made.put(2)
    assert (sink.batches, sink.dropped) == ([[1]], 1)
    assert not close(made, soon())


def test_closing_over_a_collector_that_hangs_ends_at_the_deadline(sink: Any) -> None:
    made = batcher(sink)
    sink.release.clear()
    for number in range(6):
        made.put(number)
    assert sink.entered.acquire(timeout=5)
    started = time.monotonic()
    close(made, started + 0.2)
    assert 0.15 < time.monotonic() - started < 1
    assert sink.dropped == 2
