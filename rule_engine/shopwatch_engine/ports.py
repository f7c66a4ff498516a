"""The seams between what the engine decides and what it must ask or tell others.

Each port has a fake in ``shopwatch_engine.testing``; fake and real pass one contract suite.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from shopwatch_engine.model import (
    Action,
    Changes,
    Delivery,
    Exemplar,
    IncidentRecord,
    LogLine,
    LogQuery,
    Notification,
    Sample,
    Snapshot,
    TraceQuery,
    TraceSummary,
)


class MetricSource(Protocol):
    """Anything that speaks Prometheus' query API."""

    async def query(self, expr: str, at: float) -> tuple[Sample, ...]:
        """The instant vector of ``expr`` at a time.

        Raises:
            SourceError: unreachable, refused, timed out, not a vector, or answered in part.
        """
        ...

    async def exemplars(self, expr: str, start: float, end: float) -> tuple[Exemplar, ...]:
        """The exemplars of the series that ``expr`` selects, newest first.

        Raises:
            SourceError: as for ``query``.
        """
        ...


class LogSource(Protocol):
    """A store of log documents."""

    async def search_logs(self, query: LogQuery) -> tuple[LogLine, ...]:
        """The lines asked for, newest first.

        Raises:
            SourceError: the store did not answer, or only in part.
        """
        ...


class TraceSource(Protocol):
    """A store of spans."""

    async def search_traces(self, query: TraceQuery) -> tuple[TraceSummary, ...]:
        """The traces asked for, those with errors first, then the slowest.

        Raises:
            SourceError: the store did not answer, or only in part.
        """
        ...


class Store(Protocol):
    """State, incidents and outbox in one place, so that one transaction holds them together.

    Every method raises StoreBusy when the same call may go through later and StoreFailed when not;
    either way nothing was written in part.
    """

    async def load(self) -> Snapshot:
        """Everything that was committed."""
        ...

    async def commit(self, changes: Changes) -> None:
        """Write all of it in one transaction; durable when this returns."""
        ...

    async def claim(
        self,
        *,
        actions: Sequence[Action],
        now: float,
        lease_s: float,
        limit: int,
        without: Collection[str] = (),
    ) -> tuple[Delivery, ...]:
        """Take due deliveries of these actions: most severe first, then oldest.

        None is taken of the integrations in ``without``: they have as much under way as they may.

        Of one incident and integration only the oldest pending one may be taken; an update or evidence
        that a later resolve overtook is superseded instead. A claim that is not settled lapses after
        ``lease_s``; claims of an engine that is gone lapse when the next one opens the store.
        """
        ...

    async def settle(self, delivery: Delivery) -> None:
        """Write what became of a claimed delivery: delivered, dead, or pending with its next attempt."""
        ...

    async def next_attempt_at(
        self, *, actions: Sequence[Action], without: Collection[str] = ()
    ) -> float | None:
        """When the next pending delivery of these actions is due; None when there is none."""
        ...

    async def incidents(self, *, limit: int = 100) -> tuple[IncidentRecord, ...]:
        """The newest incidents with their deliveries."""
        ...

    async def prune(self, *, before: float) -> int:
        """Forget incidents that were resolved before a time, and their deliveries; how many incidents.

        One that still owes a pager something stays.
        """
        ...

    async def close(self) -> None:
        """Let go of everything."""
        ...


class Pager(Protocol):
    """One pager of one receiver: address and key are its own."""

    async def send(self, action: Action, notification: Notification) -> None:
        """Tell the pager; when this returns, it has taken it (for Opsgenie: and processed it).

        Raises:
            PagerError: it was not taken; the error says whether trying again can help.
        """
        ...

    async def close(self) -> None:
        """Let go of connections and threads."""
        ...
