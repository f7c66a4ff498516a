"""Metrics of queues and their workers."""

from __future__ import annotations

from typing import Final

from shopwatch.catalogue.attributes import (
    ERROR_TYPE,
    HTTP_BUCKETS,
    MESSAGING_DESTINATION,
    MESSAGING_SYSTEM,
)
from shopwatch.catalogue.model import Across, Kind, Metric

MESSAGE_DURATION: Final = Metric(
    name="messaging.process.duration",
    kind=Kind.HISTOGRAM,
    unit="s",
    description="Duration of processing a message.",
    attributes=(MESSAGING_SYSTEM, MESSAGING_DESTINATION, ERROR_TYPE),
    buckets=HTTP_BUCKETS,
)
QUEUE_MESSAGES: Final = Metric(
    name="shopwatch.queue.messages",
    kind=Kind.GAUGE,
    unit="{message}",
    description="Messages that wait in a queue.",
    attributes=(MESSAGING_DESTINATION,),
    across=Across.LATEST,
)
QUEUE_OLDEST: Final = Metric(
    name="shopwatch.queue.oldest_message.age",
    kind=Kind.GAUGE,
    unit="s",
    description="Age of the oldest message that waits in a queue.",
    attributes=(MESSAGING_DESTINATION,),
    across=Across.LATEST,
)

MESSAGING_METRICS: Final = (
    MESSAGE_DURATION,
    QUEUE_MESSAGES,
    QUEUE_OLDEST,
)
