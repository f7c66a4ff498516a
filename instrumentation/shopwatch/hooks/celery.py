"""Celery: each run of a task is timed, as a job by its name and as a message of its queue."""

from __future__ import annotations

import time
from typing import Any, Final

from celery import signals, states

from shopwatch import catalogue, telemetry
from shopwatch.hooks.call import guarded
from shopwatch.hooks.delivery import Delivery, Unsettled
from shopwatch.hooks.patching import Patches

SYSTEM: Final = "celery"
_PUBLISHED: Final = "shopwatch_published"  # a header: when the task was sent, in seconds since the epoch
_JOB_OUTCOMES: Final = {states.RETRY: "retry", states.FAILURE: "failure", states.REJECTED: "failure"}
_OUTCOMES: Final = {
    states.RETRY: catalogue.REQUEUED,
    states.REJECTED: catalogue.REJECTED,
    states.FAILURE: catalogue.FAILED,
}


def watch(patches: Patches, _: object = None) -> None:
    """Listen to the worker's signals, and to the publisher's."""
    follower = _Follower()
    for signal, listener in (
        (signals.before_task_publish, _dated),
        (signals.task_prerun, follower.begun),
        (signals.task_failure, follower.failed),
        (signals.task_postrun, follower.ended),
    ):
        signal.connect(listener, weak=False)
        patches.later(lambda signal=signal, listener=listener: signal.disconnect(listener))  # type: ignore[misc]


def _dated(headers: Any = None, **_: object) -> None:
    with guarded("dating a task"):
        if isinstance(headers, dict):
            headers.setdefault(_PUBLISHED, time.time())


class _Follower:
    """Follows the tasks of a worker."""

    def __init__(self) -> None:
        self._running = Unsettled()

    def begun(self, task_id: str = "", task: Any = None, **_: object) -> None:
        """A task is about to run."""
        with guarded("beginning a task"):
            came_by = task.request.delivery_info or {}
            delivery = Delivery(SYSTEM, str(came_by.get("routing_key") or ""))
            sent = getattr(task.request, _PUBLISHED, None)
            age_s = time.time() - sent if isinstance(sent, int | float) else None
            delivery.came(age_s=age_s, again=bool(came_by.get("redelivered")))
            self._running.add(task_id, delivery)

    def failed(self, task_id: str = "", exception: BaseException | None = None, **_: object) -> None:
        """It raised."""
        with guarded("recording a task's failure"):
            delivery = self._running.take(task_id)
            if delivery is not None and exception is not None:
                delivery.failed(exception)
                self._running.add(task_id, delivery)

    def ended(self, task_id: str = "", task: Any = None, state: str | None = None, **_: object) -> None:
        """It came to an end."""
        with guarded("ending a task"):
            delivery = self._running.take(task_id)
            if delivery is None:
                return
            seconds = delivery.age_s()
            delivery.settle(_OUTCOMES.get(state or "", catalogue.ACKNOWLEDGED))
            job = telemetry.current().instruments.bound(catalogue.JOB_DURATION)
            job.series((task.name, _JOB_OUTCOMES.get(state or "", "success"))).observe(seconds)
