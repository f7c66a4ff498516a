"""The hooks of pika and aio-pika on a real RabbitMQ: from publication to settlement, in one trace."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import aio_pika
import pika
import pytest
from opentelemetry.trace import SpanKind

from shopwatch import catalogue
from shopwatch.testing import Watched, watch

DURATION = catalogue.MESSAGE_DURATION


async def _idle(scope: Any, receive: Any, send: Any) -> None:
    """An application that nobody asks."""


@pytest.fixture
def watched() -> Iterator[Watched[Any]]:
    with watch(_idle, hooks=("pika", "aio-pika")) as found:
        yield found
        assert found.value(catalogue.TELEMETRY_ERRORS) == 0


@pytest.fixture
def queue() -> str:
    return f"orders-{uuid4().hex[:8]}"


def labels(queue: str) -> dict[str, str]:
    return {"messaging_system": "rabbitmq", "messaging_destination_name": queue}


@pytest.fixture
def channel(watched: Watched[Any], rabbitmq_url: str, queue: str) -> Iterator[Any]:  # noqa: ARG001 - watched from its start
    connection = pika.BlockingConnection(pika.URLParameters(rabbitmq_url))
    channel = connection.channel()
    channel.queue_declare(queue, exclusive=True)
    yield channel
    connection.close()


def publish(channel: Any, queue: str, *bodies: bytes) -> None:
    for body in bodies:
        channel.basic_publish("", queue, body)


def test_pikas_callbacks_are_timed_by_outcome_and_in_the_publishers_trace(
    watched: Watched[Any], channel: Any, queue: str
) -> None:
    seen: list[bytes] = []

    def handle(of: Any, method: Any, _properties: Any, body: bytes) -> None:
        seen.append(body)
        if body == b"well":
            of.basic_ack(method.delivery_tag)
        elif body == b"drop":
            of.basic_reject(method.delivery_tag, requeue=False)
        elif method.redelivered:
            of.basic_ack(method.delivery_tag)
            of.stop_consuming()
        else:
            of.basic_nack(method.delivery_tag)

    with watched.telemetry.tracer.start_as_current_span("checkout") as checkout:
        publish(channel, queue, b"well", b"drop", b"again")
    channel.basic_consume(queue, handle)
    channel.start_consuming()
    assert seen == [b"well", b"drop", b"again", b"again"]
    where = labels(queue)
    for outcome, number in {"acknowledged": 2, "rejected": 1, "requeued": 1}.items():
        assert watched.value(DURATION, shopwatch_outcome=outcome, **where) == number
    assert watched.value(DURATION, **where) == 4
    assert watched.value(catalogue.MESSAGE_AGE, **where) == 4
    assert watched.value(catalogue.MESSAGE_REDELIVERIES, **where) == 1
    assert watched.value(catalogue.MESSAGE_DEAD_LETTERS, **where) == 1
    consumed = [span for span in watched.spans() if span.kind is SpanKind.CONSUMER]
    assert len(consumed) == 4
    trace_id = checkout.get_span_context().trace_id
    of_publisher = {span.context.trace_id for span in consumed} | {
        link.context.trace_id for span in consumed for link in span.links
    }
    assert trace_id in of_publisher


def test_a_callback_of_pika_that_raises_has_failed(watched: Watched[Any], channel: Any, queue: str) -> None:
    def handle(*_: object) -> None:
        raise KeyError("order")

    publish(channel, queue, b"mug")
    channel.basic_consume(queue, handle)
    with pytest.raises(KeyError):
        channel.start_consuming()
    outcome = {"shopwatch_outcome": "failed", "error_type": "KeyError"}
    assert watched.value(DURATION, **outcome, **labels(queue)) == 1


def test_pikas_other_ways_to_get_messages(watched: Watched[Any], channel: Any, queue: str) -> None:
    publish(channel, queue, b"1", b"2", b"3", b"4", b"5")
    method, _, body = channel.basic_get(queue, auto_ack=True)
    assert (body, watched.value(DURATION, shopwatch_outcome="acknowledged", **labels(queue))) == (b"1", 1)
    for delivered, _, body in channel.consume(queue, inactivity_timeout=5):
        method = delivered
        if body == b"5":
            break
    channel.basic_ack(method.delivery_tag, multiple=True)
    channel.cancel()
    assert watched.value(DURATION, shopwatch_outcome="acknowledged", **labels(queue)) == 5


def test_aio_pikas_messages_are_timed_by_outcome_and_in_the_publishers_trace(
    watched: Watched[Any], rabbitmq_url: str, queue: str
) -> None:
    async def run() -> None:
        connection = await aio_pika.connect_robust(rabbitmq_url)
        async with connection:
            channel = await connection.channel()
            declared = await channel.declare_queue(queue, exclusive=True)
            with watched.telemetry.tracer.start_as_current_span("checkout"):
                for body in (b"well", b"drop", b"again"):
                    await channel.default_exchange.publish(aio_pika.Message(body), queue)
            done = asyncio.Event()

            async def handle(message: Any) -> None:
                if message.body == b"well":
                    await message.ack()
                elif message.body == b"drop":
                    await message.reject()
                elif message.redelivered:
                    await message.ack()
                    done.set()
                else:
                    await message.nack()

            tag = await declared.consume(handle)
            await asyncio.wait_for(done.wait(), 10)
            await declared.cancel(tag)

    asyncio.run(run())
    where = labels(queue)
    for outcome, number in {"acknowledged": 2, "rejected": 1, "requeued": 1}.items():
        assert watched.value(DURATION, shopwatch_outcome=outcome, **where) == number
    assert watched.value(catalogue.MESSAGE_AGE, **where) == 4
    assert watched.value(catalogue.MESSAGE_REDELIVERIES, **where) == 1
    assert watched.value(catalogue.MESSAGE_DEAD_LETTERS, **where) == 1
    (checkout,) = watched.spans("checkout")
    consumed = [span for span in watched.spans() if span.kind is SpanKind.CONSUMER]
    assert {span.context.trace_id for span in consumed} == {checkout.context.trace_id}


def test_aio_pikas_iterators_and_process_blocks(watched: Watched[Any], rabbitmq_url: str, queue: str) -> None:
    async def run() -> None:
        async with await aio_pika.connect(rabbitmq_url) as connection:
            channel = await connection.channel()
            declared = await channel.declare_queue(queue, exclusive=True)
            for body in (b"well", b"fail"):
                await channel.default_exchange.publish(aio_pika.Message(body), queue)
            async with declared.iterator() as messages:
                async for message in messages:
                    assert watched.value(DURATION, **labels(queue)) == (message.body == b"fail")
                    async with message.process(ignore_processed=True):
                        if message.body == b"fail":
                            raise KeyError("order")

    with pytest.raises(KeyError):
        asyncio.run(run())
    assert watched.value(DURATION, shopwatch_outcome="acknowledged", **labels(queue)) == 1
    assert watched.value(DURATION, shopwatch_outcome="rejected", **labels(queue)) == 1
