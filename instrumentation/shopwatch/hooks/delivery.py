"""What the hooks of consumers share: a message, from its delivery until it is settled.

A message is processed from when the service is given it until it says what became of it (acknowledged,
requeued, rejected), or processing raises. One that needs no acknowledgement is settled when its callback
returns.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Final

from shopwatch import catalogue, telemetry
from shopwatch.hooks.call import Call, count, guarded

_MOST: Final = 10_000  # messages that have been delivered and not been settled; the oldest are forgotten


class Delivery(Call):
    """A message that is being processed.

    Args:
        system: ``messaging.system``.
        destination: the queue's name.
    """

    __slots__ = ("_settled",)

    def __init__(self, system: str, destination: str) -> None:
        attributes = {catalogue.MESSAGING_SYSTEM: system, catalogue.MESSAGING_DESTINATION: destination}
        super().__init__(catalogue.MESSAGE_DURATION, attributes)
        self._settled = False

    def came(self, *, age_s: float | None, again: bool) -> None:
        """It was delivered, so long after it was published, if that is known; perhaps once more."""
        with guarded("recording a delivery"):
            values = self._where()
            if age_s is not None:
                age = telemetry.current().instruments.bound(catalogue.MESSAGE_AGE)
                age.series(values).observe(max(0.0, age_s))
            if again:
                count(catalogue.MESSAGE_REDELIVERIES, *values)

    def settle(self, outcome: str) -> None:
        """Say what became of it; only the first word counts."""
        if self._settled:
            return
        self._settled = True
        self.attributes[catalogue.OUTCOME] = outcome
        self.end()
        if outcome == catalogue.REJECTED:
            with guarded("counting a dead letter"):
                count(catalogue.MESSAGE_DEAD_LETTERS, *self._where())

    def _where(self) -> tuple[str, str]:
        return self.attributes[catalogue.MESSAGING_SYSTEM], self.attributes[catalogue.MESSAGING_DESTINATION]


def outcome_of_refusal(*, requeue: bool) -> str:
    """What a message that is refused comes to."""
    return catalogue.REQUEUED if requeue else catalogue.REJECTED


class Unsettled:
    """Messages that have been delivered and not been settled, by whatever the broker calls them."""

    def __init__(self) -> None:
        self._deliveries: OrderedDict[Hashable, Delivery] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, key: Hashable, delivery: Delivery) -> None:
        """A message was delivered."""
        with self._lock:
            self._deliveries[key] = delivery
            if len(self._deliveries) > _MOST:
                self._deliveries.popitem(last=False)

    def take(self, key: Hashable) -> Delivery | None:
        """The message, which is no longer among these."""
        with self._lock:
            return self._deliveries.pop(key, None)

    def known(self) -> list[Hashable]:
        """What there is, the oldest first."""
        with self._lock:
            return list(self._deliveries)
