"""SQS: messages are timed from their receipt until they are deleted or given back.

A thread that receives a batch handles it one message after the other: each is timed from when the thread
settled the one before. Dead letters are SQS' own doing; its queue of them tells their number.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any, Final

from botocore.client import BaseClient

from shopwatch import catalogue
from shopwatch.hooks.call import guarded
from shopwatch.hooks.delivery import Delivery, Unsettled
from shopwatch.hooks.patching import Function, Patches

SYSTEM: Final = "aws_sqs"
_SENT: Final = "SentTimestamp"
_RECEIVED: Final = "ApproximateReceiveCount"


def watch(patches: Patches, _: object = None) -> None:
    """Follow the operations that receive, delete and give back."""
    patches.around(BaseClient, "_make_api_call", _Follower().calling)


class _Follower:
    """Follows all messages of the process."""

    def __init__(self) -> None:
        self._unsettled = Unsettled()
        self._thread = threading.local()

    def calling(self, make_api_call: Function) -> Function:
        def watched(client: Any, operation: str, given: Any) -> Any:
            if client.meta.service_model.service_name != "sqs":
                return make_api_call(client, operation, given)
            if operation == "ReceiveMessage":
                given = _asking_for_ages(given)
            answer = make_api_call(client, operation, given)
            with guarded("following messages"):
                self._seen(operation, given, answer)
            return answer

        return watched

    def _seen(self, operation: str, given: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
        if operation == "ReceiveMessage":
            self._received(given["QueueUrl"].rpartition("/")[2], answer.get("Messages", ()))
        elif operation == "DeleteMessage":
            self._settle(given["ReceiptHandle"], catalogue.ACKNOWLEDGED)
        elif operation == "DeleteMessageBatch":
            self._deleted({entry["Id"]: entry["ReceiptHandle"] for entry in given["Entries"]}, answer)
        elif operation == "ChangeMessageVisibility" and given["VisibilityTimeout"] == 0:
            self._settle(given["ReceiptHandle"], catalogue.REQUEUED)

    def _received(self, queue: str, messages: Any) -> None:
        self._thread.settled = 0
        for message in messages:
            says = message.get("Attributes", {})
            delivery = Delivery(SYSTEM, queue)
            age_s = time.time() - int(says[_SENT]) / 1_000 if _SENT in says else None
            delivery.came(age_s=age_s, again=int(says.get(_RECEIVED, 1)) > 1)
            self._unsettled.add(message["ReceiptHandle"], delivery)

    def _deleted(self, handles: Mapping[str, str], answer: Mapping[str, Any]) -> None:
        for entry in answer.get("Successful", ()):
            self._settle(handles[entry["Id"]], catalogue.ACKNOWLEDGED)

    def _settle(self, handle: str, outcome: str) -> None:
        delivery = self._unsettled.take(handle)
        if delivery is not None:
            delivery.not_before(getattr(self._thread, "settled", 0))
            delivery.settle(outcome)
        self._thread.settled = time.perf_counter_ns()


def _asking_for_ages(given: Mapping[str, Any]) -> dict[str, Any]:
    """SQS says when a message was sent, and how often received, only if it is asked to."""
    asked = list(given.get("MessageSystemAttributeNames", ()))
    if "All" in asked:
        return dict(given)
    missing = [name for name in (_SENT, _RECEIVED) if name not in asked]
    return {**given, "MessageSystemAttributeNames": [*asked, *missing]}
