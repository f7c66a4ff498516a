"""aio-pika: messages of RabbitMQ are timed from delivery to settlement; what is published is dated."""

from __future__ import annotations

import time
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Final

from aio_pika.exchange import Exchange
from aio_pika.message import IncomingMessage
from aio_pika.queue import Queue, QueueIterator

from shopwatch import catalogue
from shopwatch.hooks.call import guarded
from shopwatch.hooks.delivery import Delivery, Unsettled, outcome_of_refusal
from shopwatch.hooks.patching import Function, Patches

SYSTEM: Final = "rabbitmq"
_iterating: Final[ContextVar[bool]] = ContextVar("shopwatch_iterating", default=False)


def watch(patches: Patches, _: object = None) -> None:
    """Follow queues and the messages that they deliver."""
    follower = _Follower()
    patches.around(Queue, "consume", follower.consuming)
    patches.around(QueueIterator, "consume", _iterated)
    patches.around(Queue, "get", follower.getting)
    patches.around(IncomingMessage, "ack", follower.acknowledging)
    patches.around(IncomingMessage, "nack", follower.refusing)
    patches.around(IncomingMessage, "reject", follower.refusing)
    patches.around(Exchange, "publish", _dated)


class _Follower:
    """Follows all messages of the process."""

    def __init__(self) -> None:
        self._unsettled = Unsettled()

    def consuming(self, consume: Function) -> Function:
        async def watched(queue: Any, callback: Any, no_ack: bool = False, *args: Any, **options: Any) -> Any:
            timed = self._timed(queue.name, callback, no_ack=no_ack, iterated=_iterating.get())
            return await consume(queue, timed, no_ack, *args, **options)

        return watched

    def _timed(self, queue: str, callback: Function, *, no_ack: bool, iterated: bool) -> Function:
        async def watched(message: Any) -> Any:
            self._delivered(queue, message)
            try:
                result = await callback(message)
            except BaseException as error:
                self._settle(message, catalogue.FAILED, error)
                raise
            if no_ack and not iterated:
                self._settle(message, catalogue.ACKNOWLEDGED)
            return result

        return watched

    def getting(self, get: Function) -> Function:
        async def watched(queue: Any, *args: Any, **options: Any) -> Any:
            message = await get(queue, *args, **options)
            if message is not None:
                self._delivered(queue.name, message)
                if options.get("no_ack"):
                    self._settle(message, catalogue.ACKNOWLEDGED)
            return message

        return watched

    def _delivered(self, queue: str, message: Any) -> None:
        with guarded("recording a delivery"):
            delivery = Delivery(SYSTEM, queue)
            sent = message.timestamp
            age_s = None if sent is None else time.time() - _seconds(sent)
            delivery.came(age_s=age_s, again=bool(message.redelivered))
            self._unsettled.add(id(message), delivery)

    def acknowledging(self, ack: Function) -> Function:
        async def watched(message: Any, *args: Any, **options: Any) -> None:
            await ack(message, *args, **options)
            self._settle(message, catalogue.ACKNOWLEDGED)

        return watched

    def refusing(self, refuse: Function) -> Function:
        """``reject`` drops unless told to requeue, ``nack`` requeues unless told not to."""
        several = refuse.__name__ == "nack"

        async def watched(message: Any, *args: Any, **options: Any) -> None:
            await refuse(message, *args, **options)
            given = dict(zip(("multiple", "requeue") if several else ("requeue",), args, strict=False))
            requeue = {"requeue": several, **given, **options}["requeue"]
            self._settle(message, outcome_of_refusal(requeue=requeue))

        return watched

    def _settle(self, message: Any, outcome: str, error: BaseException | None = None) -> None:
        with guarded("recording a settlement"):
            delivery = self._unsettled.take(id(message))
            if delivery is None:
                return
            if error is not None:
                delivery.failed(error)
            delivery.settle(outcome)


def _iterated(consume: Function) -> Function:
    """An iterator's callback only passes a message on, so that its end is not the end of processing."""

    async def watched(iterator: Any) -> None:
        token = _iterating.set(True)
        try:
            await consume(iterator)
        finally:
            _iterating.reset(token)

    return watched


def _seconds(sent: Any) -> float:
    """Since the epoch; aio-pika's times are aware, or naive and UTC."""
    aware = sent if sent.tzinfo is not None else sent.replace(tzinfo=UTC)
    return float(aware.timestamp())


def _dated(publish: Function) -> Function:
    """Say when a message was published, where the service does not; whole seconds, as AMQP has it."""

    async def watched(exchange: Any, message: Any, *args: Any, **options: Any) -> Any:
        with guarded("dating a message"):
            if message.timestamp is None:
                message.timestamp = datetime.now(UTC)
        return await publish(exchange, message, *args, **options)

    return watched
