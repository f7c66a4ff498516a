"""Everything the sandbox holds: incidents of both pagers, requests, what Opsgenie has yet to process.

Mutable, in memory and bounded; time is an argument, and there is no HTTP here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from shopwatch_engine.sandbox import opsgenie, pagerduty
from shopwatch_engine.sandbox.incident import Effect, Entry, SandboxIncident, masked

INCIDENT_LIMIT: Final = 5_000
REQUEST_LIMIT: Final = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRecord:
    """A request that came. ``status`` None: it is not answered yet, or its connection was closed."""

    id: int
    at: float
    pager: str
    method: str
    path: str
    action: str = ""
    key: str = ""
    effect: str = ""
    status: int | None = None
    held: bool = False  # a hanging pager is keeping it
    answered_at: float | None = None

    def as_json(self) -> dict[str, object]:
        """As ``GET /api/requests`` tells it."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pending:
    request_id: str
    command: opsgenie.Command
    account: str
    due_at: float
    discard: bool


class Board:
    """The sandbox's memory.

    Args:
        process_delay_s: seconds that Opsgenie takes to process what it accepted.
    """

    def __init__(self, *, process_delay_s: float = 0.1) -> None:
        self._process_delay_s = process_delay_s
        self._incidents: dict[str, SandboxIncident] = {}
        self._open: dict[tuple[str, str, str], str] = {}  # pager, whole key, dedup key -> incident id
        self._owners: dict[str, tuple[str, str, str]] = {}
        self._requests: dict[int, RequestRecord] = {}
        self._pending: deque[_Pending] = deque()
        self._outcomes: dict[str, tuple[float, opsgenie.Outcome]] = {}
        self._serial = 0

    # ---------------------------------------------------------------- requests
    def arrived(self, *, at: float, pager: str, method: str, path: str) -> int:
        """Note a request; returns its number."""
        number = self._next()
        self._requests[number] = RequestRecord(id=number, at=at, pager=pager, method=method, path=path)
        while len(self._requests) > REQUEST_LIMIT:
            del self._requests[next(iter(self._requests))]
        return number

    def note(self, number: int, **changed: object) -> None:
        """Note more about a request; one that was forgotten meanwhile stays so."""
        if number in self._requests:
            self._requests[number] = replace(self._requests[number], **changed)  # type: ignore[arg-type]  # names and types are RequestRecord's

    def requests(self) -> tuple[RequestRecord, ...]:
        """All requests, oldest first."""
        return tuple(self._requests.values())

    # ---------------------------------------------------------------- incidents
    def incidents(self, at: float) -> tuple[SandboxIncident, ...]:
        """All incidents of both pagers, newest first."""
        self.advance(at)
        return tuple(sorted(self._incidents.values(), key=lambda one: (-one.opened_at, one.id)))

    def take(self, event: pagerduty.Event, at: float) -> Effect:
        """Let an event do what it does."""
        owner = (pagerduty.PAGER, event.routing_key, event.dedup_key)
        incident, effect = pagerduty.apply(
            self._current(owner), event, at=at, new_id=f"pd-{self._next()}", account=masked(event.routing_key)
        )
        self._keep(owner, incident)
        return effect

    def accept(self, command: opsgenie.Command, *, key: str, at: float, discard: bool = False) -> str:
        """Accept a request, to be processed (or discarded) in a while; returns its id."""
        request_id = f"{self._next():08x}-0000-4000-8000-000000000000"
        due_at = at + self._process_delay_s
        self._pending.append(
            _Pending(
                request_id=request_id, command=command, account=masked(key), due_at=due_at, discard=discard
            )
        )
        self.advance(at)
        return request_id

    def outcome(self, request_id: str, at: float) -> tuple[float, opsgenie.Outcome] | None:
        """When an accepted request was processed, and what became of it; None while it is not."""
        self.advance(at)
        return self._outcomes.get(request_id)

    def alert(self, alias_or_id: str, at: float) -> SandboxIncident | None:
        """The Opsgenie alert of an id or alias: the open one, else the latest."""
        alerts = [one for one in self.incidents(at) if one.pager == opsgenie.PAGER]
        found = [one for one in alerts if alias_or_id in (one.id, one.key)]
        return next((one for one in found if one.is_open), found[0] if found else None)

    def act_by_hand(self, incident_id: str, *, resolve: bool, at: float) -> bool:
        """Acknowledge or resolve as a person on the page does; False if it is not open."""
        self.advance(at)
        incident = self._incidents.get(incident_id)
        if incident is None or not incident.is_open:
            return False
        action, word = ("resolve", "Resolved") if resolve else ("acknowledge", "Acknowledged")
        entry = Entry(at=at, action=action, summary=f"{word} by hand", payload={})
        changed = incident.resolved(entry) if resolve else incident.acknowledged(entry)
        self._keep(self._owners[incident_id], changed)
        return True

    def advance(self, at: float) -> None:
        """Process what Opsgenie accepted and is due by now, in order."""
        while self._pending and self._pending[0].due_at <= at:
            self._process(self._pending.popleft())

    def forget(self) -> None:
        """Forget all incidents, requests and what is pending."""
        for held in (self._incidents, self._open, self._owners, self._requests, self._outcomes):
            held.clear()
        self._pending.clear()

    # ---------------------------------------------------------------- within
    def _process(self, pending: _Pending) -> None:
        command = pending.command
        if pending.discard:
            outcome = opsgenie.Outcome(success=False, action=command.action, status="Request is discarded")
        else:
            owner = (opsgenie.PAGER, "", command.alias)  # an alias is the whole account's
            incident, outcome = opsgenie.process(
                self._current(owner),
                command,
                at=pending.due_at,
                new_id=f"og-{self._next()}",
                account=pending.account,
            )
            self._keep(owner, incident)
        self._outcomes[pending.request_id] = (pending.due_at, outcome)
        while len(self._outcomes) > REQUEST_LIMIT:
            del self._outcomes[next(iter(self._outcomes))]

    def _current(self, owner: tuple[str, str, str]) -> SandboxIncident | None:
        incident_id = self._open.get(owner)
        return self._incidents.get(incident_id) if incident_id else None

    def _keep(self, owner: tuple[str, str, str], incident: SandboxIncident | None) -> None:
        if incident is None:
            return
        self._incidents[incident.id] = incident
        self._owners[incident.id] = owner
        if incident.is_open:
            self._open[owner] = incident.id
        else:
            self._open.pop(owner, None)
        for incident_id in tuple(self._overflow()):
            self._drop(incident_id)

    def _overflow(self) -> Iterator[str]:
        """The oldest incidents past the limit."""
        surplus = len(self._incidents) - INCIDENT_LIMIT
        return (incident_id for incident_id, _ in zip(self._incidents, range(surplus), strict=False))

    def _drop(self, incident_id: str) -> None:
        del self._incidents[incident_id]
        owner = self._owners.pop(incident_id)
        if self._open.get(owner) == incident_id:
            del self._open[owner]

    def _next(self) -> int:
        self._serial += 1
        return self._serial
