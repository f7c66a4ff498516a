"""What only Opsgenie does: it accepts first, and says later what became of it."""

import logging
from collections.abc import AsyncIterator

import pytest

from shopwatch_engine.exceptions import PagerError
from shopwatch_engine.model import Action, Integration, PagerKind, Secret
from shopwatch_engine.pagers import OpsgeniePager
from shopwatch_engine.sandbox.faults import Fault, Mode
from shopwatch_engine.sandbox.server import RunningSandbox, running_sandbox
from shopwatch_engine.testing.notifications import sample_evidence, sample_notification

PLAIN = sample_notification()
WITH_EVIDENCE = sample_notification(evidence=sample_evidence())


class Stopwatch:
    """A time that passes only while the pager sleeps."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def time(self) -> float:
        return self.now


@pytest.fixture
def stopwatch() -> Stopwatch:
    return Stopwatch()


def pager_at(running: RunningSandbox, stopwatch: Stopwatch, *, verify_s: float = 10.0) -> OpsgeniePager:
    integration = Integration(
        id="on-call/opsgenie/0",
        kind=PagerKind.OPSGENIE,
        url=running.opsgenie_url,
        key=Secret("5ecret0k3y5ecret0k3y"),
    )
    return OpsgeniePager(
        integration, verify_s=verify_s, sleep=stopwatch.sleep, monotonic=stopwatch.time, timeout_s=5
    )


@pytest.fixture
async def slow_sandbox(stopwatch: Stopwatch) -> AsyncIterator[RunningSandbox]:
    """Opsgenie takes 3 s of the stopwatch to process what it accepted."""
    async with running_sandbox(process_delay_s=3.0, clock=stopwatch.time) as running:
        yield running


async def test_it_waits_for_the_outcome_with_growing_pauses(
    slow_sandbox: RunningSandbox, stopwatch: Stopwatch
) -> None:
    pager = pager_at(slow_sandbox, stopwatch)
    await pager.send(Action.TRIGGER, PLAIN)
    assert [one.key for one in slow_sandbox.incidents()] == [PLAIN.dedup_key]
    assert stopwatch.slept == [0.1, 0.2, 0.4, 0.8, 1.6]
    looks = [one.status for one in slow_sandbox.sandbox.requests() if one.action == "GetRequest"]
    assert looks == [404, 404, 404, 404, 200]
    await pager.close()


async def test_an_outcome_that_does_not_come_is_no_delivery(
    slow_sandbox: RunningSandbox, stopwatch: Stopwatch
) -> None:
    pager = pager_at(slow_sandbox, stopwatch, verify_s=1.0)
    with pytest.raises(PagerError, match="not processed it after 1 s") as caught:
        await pager.send(Action.TRIGGER, PLAIN)
    assert caught.value.retry
    await pager.close()


async def test_a_discarded_request_is_no_delivery(stopwatch: Stopwatch) -> None:
    async with running_sandbox(process_delay_s=0) as running:
        running.set_fault("opsgenie", Fault(mode=Mode.DISCARD))
        pager = pager_at(running, stopwatch)
        with pytest.raises(PagerError, match="discarded a request that it had taken") as caught:
            await pager.send(Action.TRIGGER, PLAIN)
        assert caught.value.retry
        assert running.incidents() == ()
        await pager.close()


async def test_evidence_for_an_alert_that_is_gone_is_final(stopwatch: Stopwatch) -> None:
    async with running_sandbox(process_delay_s=0) as running:
        pager = pager_at(running, stopwatch)
        with pytest.raises(PagerError, match="Alert does not exist") as caught:
            await pager.send(Action.EVIDENCE, WITH_EVIDENCE)
        assert not caught.value.retry
        await pager.close()


async def test_an_update_opens_again_what_a_person_closed_while_it_still_fires(stopwatch: Stopwatch) -> None:
    async with running_sandbox(process_delay_s=0) as running:
        pager = pager_at(running, stopwatch)
        await pager.send(Action.TRIGGER, PLAIN)
        await pager.send(Action.RESOLVE, PLAIN)
        await pager.send(Action.UPDATE, PLAIN)
        assert sorted(one.is_open for one in running.incidents()) == [False, True]
        await pager.close()


async def test_evidence_reaches_note_and_details(stopwatch: Stopwatch) -> None:
    async with running_sandbox(process_delay_s=0) as running:
        pager = pager_at(running, stopwatch)
        await pager.send(Action.TRIGGER, PLAIN)
        await pager.send(Action.EVIDENCE, WITH_EVIDENCE)
        entry = running.incidents()[0].events[-1]
        assert (entry.traces, entry.logs) == (2, 3)
        assert "database is locked" in str(entry.payload["note"])
        await pager.close()


@pytest.mark.parametrize("url", ["{base}", "{base}/", "{base}/v2/alerts", "{base}/v2/alerts/"])
async def test_the_address_may_be_the_apis_or_the_alerts(stopwatch: Stopwatch, url: str) -> None:
    async with running_sandbox(process_delay_s=0) as running:
        integration = Integration(
            id="x", kind=PagerKind.OPSGENIE, url=url.format(base=running.url), key=Secret("key")
        )
        pager = OpsgeniePager(integration, sleep=stopwatch.sleep)
        await pager.send(Action.TRIGGER, PLAIN)
        assert len(running.incidents()) == 1
        await pager.close()


@pytest.mark.parametrize("key", ["a/b c?d#e%2F", "..", ".", "", "ключ", "x" * 600])
async def test_any_key_finds_its_own_alert_again(stopwatch: Stopwatch, key: str) -> None:
    async with running_sandbox(process_delay_s=0) as running:
        pager = pager_at(running, stopwatch)
        page = sample_notification(dedup_key=key, evidence=sample_evidence())
        for action in (Action.TRIGGER, Action.EVIDENCE, Action.RESOLVE):
            await pager.send(action, page)
        (alert,) = running.incidents()
        assert not alert.is_open
        assert alert.has_evidence
        await pager.close()


async def test_a_key_that_may_not_read_delivers_unverified_and_warns(
    stopwatch: Stopwatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with running_sandbox(process_delay_s=0) as running:

        def forbid(seconds: float) -> None:
            stopwatch.sleep(seconds)
            running.set_fault("opsgenie", Fault(mode=Mode.FAIL, status=403))

        integration = Integration(
            id="on-call/opsgenie/0", kind=PagerKind.OPSGENIE, url=running.opsgenie_url, key=Secret("key")
        )
        pager = OpsgeniePager(integration, sleep=forbid)
        with caplog.at_level(logging.WARNING):
            await pager.send(Action.TRIGGER, PLAIN)
        assert "give it read access" in caplog.text
        assert len(running.incidents()) == 1
        await pager.close()
