"""A pager in memory: same promises as the real ones, no network and no threads."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from shopwatch_engine.exceptions import PagerError
from shopwatch_engine.model import Action, Notification
from shopwatch_engine.pagers.answer import is_taken, may_retry


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One thing that the pager took."""

    action: Action
    notification: Notification


@dataclass(slots=True, kw_only=True)
class FakeIncident:
    """An incident as the pager holds it: open until resolved; whatever comes later opens another."""

    dedup_key: str
    pages: list[Page] = field(default_factory=list)
    resolved: bool = False

    @property
    def has_evidence(self) -> bool:
        """Whether a page brought traces or log lines."""
        found = (page.notification.evidence for page in self.pages)
        return any(evidence is not None and (evidence.traces or evidence.logs) for evidence in found)


class FakePager:
    """A Pager that remembers. Told to, it refuses, fails or hangs.

    Args:
        timeout_s: seconds (of the running loop's clock) after which a hanging send is given up.
    """

    def __init__(self, *, timeout_s: float = 10.0) -> None:
        self.pages: list[Page] = []
        self.incidents: list[FakeIncident] = []
        self.attempts = 0
        self.closed = False
        self._timeout_s = timeout_s
        self._error: PagerError | None = None
        self._released = asyncio.Event()
        self._released.set()

    def answer(self, status: int, *, retry_after_s: float | None = None) -> None:
        """From now on do what the real ones do on this HTTP status."""
        reason = f"the pager answered {status}"
        error = PagerError(reason, retry=may_retry(status), retry_after_s=retry_after_s)
        self.fail(None if is_taken(status) else error)

    def fail(self, error: PagerError | None) -> None:
        """From now on refuse each send with this error; with None, take them again."""
        self._error = error

    def hang(self) -> None:
        """From now on keep each send waiting, until ``release`` or its time-out."""
        self._released.clear()

    def release(self) -> None:
        """Hang no longer; sends that still wait go through."""
        self._released.set()

    async def send(self, action: Action, notification: Notification) -> None:
        """Take a page, or do as told."""
        self.attempts += 1
        try:
            await asyncio.wait_for(self._released.wait(), self._timeout_s)
        except TimeoutError:
            reason = f"the pager did not answer within {self._timeout_s:g} s"
            raise PagerError(reason, retry=True) from None
        if self.closed:
            raise PagerError("the pager is closed", retry=True)
        if self._error is not None:
            error = self._error
            raise PagerError(error.reason, retry=error.retry, retry_after_s=error.retry_after_s)
        self._take(Page(action=action, notification=notification))

    async def close(self) -> None:
        """Take nothing any more."""
        self.closed = True

    def _take(self, page: Page) -> None:
        self.pages.append(page)
        key = page.notification.dedup_key
        incident = next((one for one in self.incidents if one.dedup_key == key and not one.resolved), None)
        if incident is None:
            if page.action is Action.RESOLVE:
                return  # nothing to resolve: dropped, as the real ones do
            incident = FakeIncident(dedup_key=key)
            self.incidents.append(incident)
        incident.pages.append(page)
        incident.resolved = page.action is Action.RESOLVE
