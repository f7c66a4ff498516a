from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator

import pytest
from opentelemetry import trace

from shop.order_store import Order, Status
from shop.queue import Backlog, MemoryQueue, Message, QueueFull
from shop.worker import DESTINATION, LONG_BACKLOG, Worker, announce
from shopwatch import catalogue
from shopwatch.testing import Watched, watch


async def _nothing(*_: object) -> None:
    """An application that is never called."""


@pytest.fixture
def watched() -> Iterator[Watched[object]]:
    with watch(_nothing, service="orders") as made:
        yield made


def order(name: str) -> Order:
    return Order(id=name, customer="ada", product="mug", quantity=1, amount_cents=100, status=Status.PLACED)


def bodies(watched: Watched[object], logger: str = "shop.worker") -> list[str]:
    return [str(found.log_record.body) for found in watched.logs(logger)]


def test_messages_leave_in_the_order_they_came() -> None:
    queue = MemoryQueue()
    for body in "abc":
        queue.publish(Message(body=body))
    taken = [queue.take(0) for _ in range(4)]
    assert [message.body if message else None for message in taken] == ["a", "b", "c", None]


def test_the_backlog_tells_count_and_age_of_the_oldest() -> None:
    now = iter([10.0, 12.0, 15.5, 16.0])
    queue = MemoryQueue(clock=lambda: next(now))
    assert queue.backlog() == Backlog(messages=0, oldest_s=0.0)
    queue.publish(Message(body="a"))
    queue.publish(Message(body="b"))
    assert queue.backlog() == Backlog(messages=2, oldest_s=5.5)
    queue.take(0)
    assert queue.backlog() == Backlog(messages=1, oldest_s=4.0)


def test_a_full_queue_refuses() -> None:
    queue = MemoryQueue(limit=1)
    queue.publish(Message(body="a"))
    with pytest.raises(QueueFull):
        queue.publish(Message(body="b"))


def test_an_order_that_cannot_be_announced_is_an_error_in_the_log(watched: Watched[object]) -> None:
    announce(MemoryQueue(limit=0), order("7"))
    assert bodies(watched) == ["order 7 will not be confirmed"]


def test_a_long_backlog_is_a_warning_with_its_length(watched: Watched[object]) -> None:
    queue = MemoryQueue()
    for number in range(LONG_BACKLOG):
        announce(queue, order(str(number)))
    assert bodies(watched) == []
    announce(queue, order("last"))
    assert bodies(watched)[0].startswith(f"{LONG_BACKLOG + 1} messages wait in {DESTINATION}")


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - what is waited for happens in a thread and has no event
            await asyncio.sleep(0.005)


async def test_the_worker_goes_on_in_the_trace_of_the_order(watched: Watched[object]) -> None:
    queue = MemoryQueue()
    tracer = watched.telemetry.tracer
    assert tracer is not None
    with tracer.start_as_current_span("POST /orders") as span:
        announce(queue, order("42"))
    async with Worker(queue, stuck=threading.Event()).running():
        await until(lambda: "order 42 is confirmed" in bodies(watched))
    [line] = [found.log_record for found in watched.logs("shop.worker")]
    assert line.trace_id == span.get_span_context().trace_id
    [processed] = watched.spans(f"process {DESTINATION}")
    assert processed.kind is trace.SpanKind.CONSUMER


async def test_one_bad_message_does_not_end_the_worker(watched: Watched[object]) -> None:
    queue = MemoryQueue()
    queue.publish(Message(body="no JSON"))
    queue.publish(Message(body=json.dumps({"order_id": "43"})))
    async with Worker(queue, stuck=threading.Event()).running():
        await until(lambda: "order 43 is confirmed" in bodies(watched))
    assert f"a message of {DESTINATION} was not handled" in bodies(watched)
    failed = watched.value(catalogue.MESSAGE_DURATION, error_type="json.decoder.JSONDecodeError")
    assert (failed, watched.value(catalogue.MESSAGE_DURATION)) == (1, 2)


async def test_a_stuck_worker_takes_nothing_until_it_is_freed(watched: Watched[object]) -> None:
    queue, stuck = MemoryQueue(), threading.Event()
    stuck.set()
    announce(queue, order("44"))
    async with Worker(queue, stuck=stuck).running():
        await until(lambda: watched.value(catalogue.QUEUE_MESSAGES) == 1)
        assert queue.backlog().messages == 1
        stuck.clear()
        await until(lambda: watched.value(catalogue.QUEUE_MESSAGES) == 0)
        await until(lambda: "order 44 is confirmed" in bodies(watched))


async def test_the_worker_ends_with_its_block() -> None:
    worker = Worker(MemoryQueue(), stuck=threading.Event())
    async with worker.running():
        assert worker.alive
    assert not worker.alive
