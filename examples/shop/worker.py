"""The worker that confirms orders: takes their events from the queue, in a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from shop.order_store import Order
from shop.queue import Message, Queue, QueueFull
from shopwatch import catalogue, record
from shopwatch.hooks.queue import consume, inject

DESTINATION: Final = "orders.placed"
"""The queue's name."""

LONG_BACKLOG: Final = 5
"""From so many waiting messages on, whoever adds one logs a warning: the worker does not keep up."""

_LOG: Final = logging.getLogger(__name__)
_PATIENCE_S: Final = 0.2
_SAMPLE_EVERY_S: Final = 0.5
_END_WITHIN_S: Final = 2.0


def announce(queue: Queue, order: Order) -> None:
    """Publish that an order was placed; the order stands even when that fails."""
    headers: dict[str, str] = {}
    inject(headers)
    try:
        queue.publish(Message(body=json.dumps({"order_id": order.id}), headers=headers))
    except QueueFull:
        _LOG.exception("order %s will not be confirmed", order.id)
        return
    backlog = queue.backlog()
    if backlog.messages > LONG_BACKLOG:
        _LOG.warning(
            "%d messages wait in %s, the oldest for %.1f s", backlog.messages, DESTINATION, backlog.oldest_s
        )


def confirm(message: Message) -> None:
    """Tell the customer that the order is placed (here: the log)."""
    order_id = str(json.loads(message.body)["order_id"])
    _LOG.info("order %s is confirmed", order_id)


class Worker:
    """Handles one message after another until it is stopped.

    Args:
        queue: where messages come from.
        handle: handles one.
        stuck: while set, it takes none.
    """

    def __init__(
        self, queue: Queue, handle: Callable[[Message], None] = confirm, *, stuck: threading.Event
    ) -> None:
        self._queue = queue
        self._handle = handle
        self._stuck = stuck
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="shop-worker", daemon=True)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the worker, and keep the queue's gauges current, within the block."""
        self._thread.start()
        sampling = asyncio.create_task(self._sample())
        try:
            yield
        finally:
            sampling.cancel()
            self._stop.set()
            await asyncio.to_thread(self._thread.join, _END_WITHIN_S)

    @property
    def alive(self) -> bool:
        """Whether its thread runs."""
        return self._thread.is_alive()

    def _run(self) -> None:
        while not self._stop.is_set():
            if self._stuck.is_set():
                self._stop.wait(_PATIENCE_S)
            elif (message := self._queue.take(_PATIENCE_S)) is not None:
                self._take_care_of(message)

    def _take_care_of(self, message: Message) -> None:
        telling = consume(destination=DESTINATION, system=self._queue.system, carrier=message.headers)
        # The error was logged within its trace; one bad message must not end the worker.
        with contextlib.suppress(Exception), telling:
            self._guarded(message)

    def _guarded(self, message: Message) -> None:
        try:
            self._handle(message)
        except Exception:
            _LOG.exception("a message of %s was not handled", DESTINATION)
            raise

    async def _sample(self) -> None:
        while True:
            backlog = self._queue.backlog()
            record(catalogue.QUEUE_MESSAGES, backlog.messages, destination_name=DESTINATION)
            record(catalogue.QUEUE_OLDEST, backlog.oldest_s, destination_name=DESTINATION)
            await asyncio.sleep(_SAMPLE_EVERY_S)
