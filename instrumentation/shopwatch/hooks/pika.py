"""pika: messages of RabbitMQ are timed from delivery to settlement; what is published is dated."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, Final
from weakref import WeakKeyDictionary

import pika
from pika.adapters.blocking_connection import BlockingChannel
from pika.channel import Channel

from shopwatch import catalogue
from shopwatch.hooks.call import guarded
from shopwatch.hooks.delivery import Delivery, Unsettled, outcome_of_refusal
from shopwatch.hooks.patching import Function, Patches

SYSTEM: Final = "rabbitmq"


def watch(patches: Patches, _: object = None) -> None:
    """Follow channels: what they deliver, and what is said of it."""
    follower = _Follower()
    patches.around(BlockingChannel, "basic_consume", follower.consuming)
    patches.around(BlockingChannel, "consume", follower.iterating)
    patches.around(BlockingChannel, "basic_get", follower.getting)
    patches.around(Channel, "basic_consume", follower.consuming)
    for channel in (BlockingChannel, Channel):
        patches.around(channel, "basic_ack", follower.acknowledging)
        patches.around(channel, "basic_nack", follower.refusing)
        patches.around(channel, "basic_reject", follower.refusing)
        patches.around(channel, "basic_publish", _dated)


class _Follower:
    """Follows all channels of the process."""

    def __init__(self) -> None:
        self._channels: WeakKeyDictionary[Any, Unsettled] = WeakKeyDictionary()

    def _of(self, channel: Any) -> Unsettled:
        return self._channels.setdefault(getattr(channel, "_impl", channel), Unsettled())

    def consuming(self, basic_consume: Function) -> Function:
        def watched(
            channel: Any, queue: str, on_message_callback: Any, auto_ack: bool = False, **options: Any
        ) -> Any:
            callback = on_message_callback
            if not _is_internal(channel, callback):
                callback = self._timed(queue, callback, settled=auto_ack)
            return basic_consume(channel, queue, callback, auto_ack=auto_ack, **options)

        return watched

    def _timed(self, queue: str, callback: Function, *, settled: bool) -> Function:
        def watched(channel: Any, method: Any, properties: Any, body: bytes) -> Any:
            delivery = self._delivered(channel, queue, method, properties)
            try:
                result = callback(channel, method, properties, body)
            except BaseException as error:
                self._raised(channel, method, delivery, error)
                raise
            if settled:
                self._settle(channel, method.delivery_tag, catalogue.ACKNOWLEDGED)
            return result

        return watched

    def _delivered(self, channel: Any, queue: str, method: Any, properties: Any) -> Delivery:
        delivery = Delivery(SYSTEM, queue)
        with guarded("recording a delivery"):
            sent = properties.timestamp
            age_s = None if sent is None else time.time() - sent
            delivery.came(age_s=age_s, again=bool(method.redelivered))
            self._of(channel).add(method.delivery_tag, delivery)
        return delivery

    def _raised(self, channel: Any, method: Any, delivery: Delivery, error: BaseException) -> None:
        with guarded("recording a failure"):
            self._of(channel).take(method.delivery_tag)
            delivery.failed(error)
            delivery.settle(catalogue.FAILED)

    def iterating(self, consume: Function) -> Function:
        def watched(channel: Any, queue: str, auto_ack: bool = False, **options: Any) -> Iterator[Any]:
            for method, properties, body in consume(channel, queue, auto_ack=auto_ack, **options):
                if method is not None:
                    self._delivered(channel, queue, method, properties)
                yield method, properties, body
                if auto_ack and method is not None:
                    self._settle(channel, method.delivery_tag, catalogue.ACKNOWLEDGED)

        return watched

    def getting(self, basic_get: Function) -> Function:
        def watched(channel: Any, queue: str, auto_ack: bool = False) -> Any:
            method, properties, body = basic_get(channel, queue, auto_ack=auto_ack)
            if method is not None:
                self._delivered(channel, queue, method, properties)
                if auto_ack:
                    self._settle(channel, method.delivery_tag, catalogue.ACKNOWLEDGED)
            return method, properties, body

        return watched

    def acknowledging(self, basic_ack: Function) -> Function:
        def watched(channel: Any, delivery_tag: int = 0, multiple: bool = False) -> Any:
            result = basic_ack(channel, delivery_tag, multiple)
            self._settle(channel, delivery_tag, catalogue.ACKNOWLEDGED, multiple=multiple)
            return result

        return watched

    def refusing(self, refuse: Function) -> Function:
        """``basic_nack`` and ``basic_reject``; the latter takes no ``multiple``."""

        def watched(channel: Any, delivery_tag: int = 0, *args: Any, **options: Any) -> Any:
            result = refuse(channel, delivery_tag, *args, **options)
            with guarded("recording a refusal"):
                several = refuse.__name__ == "basic_nack"
                given = dict(zip(("multiple", "requeue") if several else ("requeue",), args, strict=False))
                said = {"multiple": False, "requeue": True, **given, **options}
                outcome = outcome_of_refusal(requeue=said["requeue"])
                self._settle(channel, delivery_tag, outcome, multiple=said["multiple"])
            return result

        return watched

    def _settle(self, channel: Any, tag: int, outcome: str, *, multiple: bool = False) -> None:
        with guarded("recording a settlement"):
            unsettled = self._of(channel)
            tags = [tag]
            if multiple:
                tags = [
                    known
                    for known in unsettled.known()
                    if isinstance(known, int) and (known <= tag or not tag)
                ]
            for each in tags:
                delivery = unsettled.take(each)
                if delivery is not None:
                    delivery.settle(outcome)


def _is_internal(channel: Any, callback: Any) -> bool:
    """Whether a blocking channel asks its inner one, and so has watched the service's callback already."""
    owner = getattr(callback, "__self__", None)
    return isinstance(channel, Channel) and isinstance(owner, BlockingChannel)


def _dated(basic_publish: Function) -> Function:
    """Say when a message was published, where the service does not; whole seconds, as AMQP has it."""

    def watched(
        channel: Any,
        exchange: str,
        routing_key: str,
        body: Any,
        properties: Any = None,
        *args: Any,
        **options: Any,
    ) -> Any:
        with guarded("dating a message"):
            properties = pika.BasicProperties() if properties is None else properties
            if properties.timestamp is None:
                properties.timestamp = int(time.time())
        return basic_publish(channel, exchange, routing_key, body, properties, *args, **options)

    return watched
