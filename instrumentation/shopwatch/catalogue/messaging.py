"""Metrics of queues and their workers."""

from __future__ import annotations

from typing import Final

from shopwatch.catalogue.attributes import (
    ERROR_TYPE,
    HTTP_BUCKETS,
    JOB_NAME,
    MESSAGING_DESTINATION,
    MESSAGING_SYSTEM,
    OUTCOME,
    WAITING_BUCKETS,
)
from shopwatch.catalogue.model import Across, Kind, Metric

MESSAGE_DURATION: Final = Metric(
    name="messaging.process.duration",
    kind=Kind.HISTOGRAM,
    unit="s",
    description="Time from a message's delivery until it is acknowledged, requeued, rejected or has failed.",
    attributes=(MESSAGING_SYSTEM, MESSAGING_DESTINATION, OUTCOME, ERROR_TYPE),
    buckets=HTTP_BUCKETS,
)
MESSAGE_AGE: Final = Metric(
    name="shopwatch.message.age",
    kind=Kind.HISTOGRAM,
    unit="s",
    description="Time from a message's publication until its delivery.",
    attributes=(MESSAGING_SYSTEM, MESSAGING_DESTINATION),
    buckets=WAITING_BUCKETS,
)
MESSAGE_REDELIVERIES: Final = Metric(
    name="shopwatch.message.redeliveries",
    kind=Kind.COUNTER,
    unit="{message}",
    description="Messages that had been delivered before.",
    attributes=(MESSAGING_SYSTEM, MESSAGING_DESTINATION),
)
MESSAGE_DEAD_LETTERS: Final = Metric(
    name="shopwatch.message.dead_letters",
    kind=Kind.COUNTER,
    unit="{message}",
    description="Messages rejected for good: dead-lettered, or dropped where there is no place for them.",
    attributes=(MESSAGING_SYSTEM, MESSAGING_DESTINATION),
)
JOB_DURATION: Final = Metric(
    name="shopwatch.job.duration",
    kind=Kind.HISTOGRAM,
    unit="s",
    description="Duration of background jobs by outcome (success, failure, retry).",
    attributes=(JOB_NAME, OUTCOME),
    buckets=WAITING_BUCKETS,
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
    MESSAGE_AGE,
    MESSAGE_REDELIVERIES,
    MESSAGE_DEAD_LETTERS,
    JOB_DURATION,
    QUEUE_MESSAGES,
    QUEUE_OLDEST,
)
