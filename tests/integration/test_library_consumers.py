"""The hooks of SQS (on a real HTTP server that speaks its protocol) and of Celery (a worker in a thread)."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from celery import Celery
from celery.contrib.testing.worker import start_worker
from celery.exceptions import Reject
from moto.server import ThreadedMotoServer

from library_server import eventually
from shopwatch import catalogue
from shopwatch.testing import Watched, watch

DURATION = catalogue.MESSAGE_DURATION


async def _idle(scope: Any, receive: Any, send: Any) -> None:
    """An application that nobody asks."""


@pytest.fixture
def watched() -> Iterator[Watched[Any]]:
    with watch(_idle, hooks=("boto3", "celery")) as found:
        yield found


# ---------------------------------------------------------------- SQS
@pytest.fixture
def sqs(watched: Watched[Any]) -> Iterator[Any]:  # noqa: ARG001 - is watched from its start
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    yield boto3.client(
        "sqs",
        endpoint_url=f"http://127.0.0.1:{port}",
        region_name="eu-west-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    server.stop()


SQS = {"messaging_system": "aws_sqs", "messaging_destination_name": "orders"}


def test_a_message_of_sqs_is_timed_from_receipt_to_deletion_in_its_senders_trace(
    watched: Watched[Any], sqs: Any
) -> None:
    queue = sqs.create_queue(QueueName="orders")["QueueUrl"]
    with watched.telemetry.tracer.start_as_current_span("checkout") as checkout:
        sqs.send_message(QueueUrl=queue, MessageBody="mug")
    (message,) = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=5)["Messages"]
    assert watched.value(DURATION, **SQS) == 0
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    assert watched.value(DURATION, shopwatch_outcome="acknowledged", **SQS) == 1
    assert watched.value(catalogue.MESSAGE_AGE, **SQS) == 1
    assert watched.value(catalogue.MESSAGE_REDELIVERIES) == 0
    trace_id = checkout.get_span_context().trace_id
    process = [span for span in watched.spans() if span.name == "orders process"]
    assert [link.context.trace_id for span in process for link in span.links] == [trace_id]
    assert watched.value(catalogue.TELEMETRY_ERRORS) == 0


def test_a_message_that_is_given_back_is_requeued_and_comes_again(watched: Watched[Any], sqs: Any) -> None:
    queue = sqs.create_queue(QueueName="orders")["QueueUrl"]
    sqs.send_message_batch(
        QueueUrl=queue, Entries=[{"Id": str(number), "MessageBody": "mug"} for number in range(3)]
    )
    first = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=5)["Messages"]
    for message in first:
        sqs.change_message_visibility(
            QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0
        )
    assert watched.value(DURATION, shopwatch_outcome="requeued", **SQS) == len(first) == 3
    again = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=5)["Messages"]
    entries = [
        {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"]} for number, message in enumerate(again)
    ]
    sqs.delete_message_batch(QueueUrl=queue, Entries=entries)
    assert watched.value(DURATION, shopwatch_outcome="acknowledged", **SQS) == 3
    assert watched.value(catalogue.MESSAGE_REDELIVERIES, **SQS) == 3


def test_calls_of_aws_are_timed_by_operation_and_their_errors_named(watched: Watched[Any], sqs: Any) -> None:
    sqs.create_queue(QueueName="orders")
    with pytest.raises(ClientError):
        sqs.get_queue_url(QueueName="no-such-queue")
    calls = {"rpc_system_name": "aws-api", "service_peer_name": "sqs"}
    assert (
        watched.value(catalogue.RPC_CLIENT_DURATION, rpc_method="SQS/CreateQueue", error_type="", **calls)
        == 1
    )
    assert watched.value(catalogue.RPC_CLIENT_DURATION, rpc_method="SQS/GetQueueUrl", **calls) == 1
    (error,) = {one["error_type"] for one in watched.labels(catalogue.RPC_CLIENT_DURATION)} - {""}
    assert "NonExistentQueue" in error


# ---------------------------------------------------------------- Celery
@pytest.fixture
def app(watched: Watched[Any]) -> Iterator[Celery]:  # noqa: ARG001 - is watched from its start
    app = Celery("shop", broker="memory://", backend="cache+memory://")
    app.conf.update(task_default_queue="orders", worker_hijack_root_logger=False, task_acks_late=True)

    @app.task(name="shop.charge", bind=True, shared=False, max_retries=1, default_retry_delay=0)
    def charge(task: Any, how: str) -> str:
        if how == "retry" and task.request.retries == 0:
            raise task.retry(exc=TimeoutError("provider"))
        if how == "fail":
            raise KeyError("order")
        if how == "reject":
            raise Reject("no such order", requeue=False)
        return how

    with start_worker(app, pool="solo", perform_ping_check=False, loglevel=logging.WARNING):
        yield app


TASK = {"messaging_system": "celery", "messaging_destination_name": "orders"}


@pytest.mark.parametrize(
    ("how", "outcome", "job", "error"),
    [
        ("well", "acknowledged", "success", ""),
        ("fail", "failed", "failure", "KeyError"),
        ("reject", "rejected", "failure", ""),
    ],
)
def test_a_task_is_timed_as_message_and_as_job(
    watched: Watched[Any], app: Celery, how: str, outcome: str, job: str, error: str
) -> None:
    with watched.telemetry.tracer.start_as_current_span("checkout"):
        app.send_task("shop.charge", (how,))
    labels = {"shopwatch_outcome": outcome, "error_type": error, **TASK}
    assert eventually(lambda: watched.value(DURATION, **labels)) == 1
    jobs = {"shopwatch_job_name": "shop.charge", "shopwatch_outcome": job}
    assert eventually(lambda: watched.value(catalogue.JOB_DURATION, **jobs)) == 1
    assert watched.value(catalogue.MESSAGE_AGE, **TASK) == 1
    assert watched.value(catalogue.MESSAGE_DEAD_LETTERS, **TASK) == (how == "reject")


def test_a_task_that_is_tried_again_says_so(watched: Watched[Any], app: Celery) -> None:
    app.send_task("shop.charge", ("retry",))
    assert eventually(lambda: watched.value(DURATION, shopwatch_outcome="acknowledged", **TASK)) == 1
    assert watched.value(DURATION, shopwatch_outcome="requeued", **TASK) == 1
    assert watched.value(catalogue.JOB_DURATION, shopwatch_outcome="retry") == 1
