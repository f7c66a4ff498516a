"""What the demo sees of the real sandbox, to which the real pagers have sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp
import pytest

from shopwatch_engine.demo.eyes import Eyes
from shopwatch_engine.demo.play import PAGERS
from shopwatch_engine.model import Action, Evidence, Integration, PagerKind, Secret
from shopwatch_engine.pagers import make_pager
from shopwatch_engine.sandbox.server import RunningSandbox, running_sandbox
from shopwatch_engine.testing.notifications import sample_alert, sample_evidence, sample_notification

KEY = "0123456789abcdef0123456789abcdef"
WITHIN_S = 10.0


@dataclass(frozen=True)
class Watched:
    """A sandbox, and eyes that look at it."""

    sandbox: RunningSandbox
    eyes: Eyes

    async def send(self, pager: str, action: Action, evidence: Evidence | None = None) -> None:
        """Send the sample page."""
        kind = PagerKind(pager)
        is_pagerduty = kind is PagerKind.PAGERDUTY
        url = self.sandbox.pagerduty_url if is_pagerduty else self.sandbox.opsgenie_url
        sender = make_pager(
            Integration(id="on-call", kind=kind, url=url, key=Secret(KEY)), timeout_s=WITHIN_S
        )
        alert = sample_alert("PaymentsSlow", service="payments")
        try:
            await sender.send(action, sample_notification(alert, evidence=evidence))
        finally:
            await sender.close()


@pytest.fixture
async def watched() -> AsyncIterator[Watched]:
    async with running_sandbox() as sandbox, aiohttp.ClientSession() as session:
        eyes = Eyes(session=session, engine=sandbox.url, sandbox=sandbox.url, prometheus=sandbox.url)
        yield Watched(sandbox, eyes)


@pytest.mark.parametrize("pager", PAGERS)
async def test_a_page_is_seen_with_its_alert_service_evidence_and_end(watched: Watched, pager: str) -> None:
    await watched.send(pager, Action.TRIGGER)
    (page,) = await watched.eyes.pages()
    assert (page.pager, page.alert, page.service) == (pager, "PaymentsSlow", "payments")
    assert (page.has_evidence, page.explained_at, page.resolved_at) == (False, None, None)

    await watched.send(pager, Action.EVIDENCE, sample_evidence(traces=2, logs=3))
    await watched.send(pager, Action.RESOLVE)
    (after,) = await watched.eyes.pages()
    assert (after.id, after.traces, after.logs) == (page.id, 2, 3)
    assert after.explained_at is not None
    assert after.resolved_at is not None
    assert page.opened_at < after.explained_at < after.resolved_at


@pytest.mark.parametrize("pager", PAGERS)
async def test_a_request_that_hangs_is_seen_as_held(watched: Watched, pager: str) -> None:
    await watched.eyes.behave("hang")
    sending = asyncio.create_task(watched.send(pager, Action.TRIGGER))
    for _ in range(round(WITHIN_S / 0.02)):
        if held := await watched.eyes.held_at():
            break
        await asyncio.sleep(0.02)
    assert held == {pager}
    assert await watched.eyes.pages() == ()
    await watched.eyes.behave("ok")
    await sending
    assert not await watched.eyes.held_at()
    assert len(await watched.eyes.pages()) == 1


async def test_an_address_is_ready_once_it_answers_200(watched: Watched) -> None:
    assert await watched.eyes.is_ready(f"{watched.sandbox.url}/healthz")
    assert not await watched.eyes.is_ready(f"{watched.sandbox.url}/nowhere")
    assert not await watched.eyes.is_ready("http://127.0.0.1:1/healthz")
