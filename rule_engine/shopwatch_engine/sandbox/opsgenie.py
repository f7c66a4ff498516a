"""Opsgenie's Alert API v2: what it refuses, and what an accepted request does later. Pure.

Source of limits and answers: Opsgenie's Alert API documentation. A request is accepted first (202) and
processed afterwards; what became of it is a value of its own, Outcome.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from shopwatch_engine.sandbox.incident import Entry, SandboxIncident, Status, utf16_units
from shopwatch_engine.sandbox.strict_json import json_object

PAGER: Final = "opsgenie"
VERBS: Final[Mapping[str, str]] = {
    "close": "Close",
    "acknowledge": "Acknowledge",
    "notes": "AddNote",
    "details": "AddDetails",
}
"""Path segments after the alias, and what a request's status calls them."""
TEXT_LIMITS: Final[Mapping[str, int]] = {
    "message": 130,
    "alias": 512,
    "description": 15_000,
    "entity": 512,
    "source": 100,
    "user": 100,
    "note": 25_000,
}
TAG_COUNT: Final = 20
TAG_LENGTH: Final = 50
ACTION_COUNT: Final = 10
DETAILS_LENGTH: Final = 8_000
PRIORITIES: Final = ("P1", "P2", "P3", "P4", "P5")
EVIDENCE_TRACES: Final = "evidence.traces"
EVIDENCE_LOGS: Final = "evidence.logs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A request that Opsgenie accepts."""

    action: str  # Create, Close, Acknowledge, AddNote, AddDetails
    alias: str
    content: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A request that Opsgenie answers at once: 400 for no JSON, 422 for what it cannot process."""

    status: int
    errors: Mapping[str, str]

    @property
    def message(self) -> str:
        """What the answer says."""
        if self.status == 400:
            return "Could not parse JSON body"
        return "Request body is not processable. Please check the errors."


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of an accepted request."""

    success: bool
    action: str
    status: str
    alert_id: str = ""
    alias: str = ""


def parse_create(body: bytes, *, new_alias: str) -> Command | Refused:
    """A create request.

    Args:
        body: as it came.
        new_alias: the alias of an alert that brings none.
    """
    raw = json_object(body)
    if raw is None:
        return Refused(status=400, errors={})
    errors = dict(_errors(raw))
    if "message" not in errors and not str(raw.get("message") or "").strip():
        errors["message"] = "Message can not be empty."
    if errors:
        return Refused(status=422, errors=errors)
    return Command(action="Create", alias=raw.get("alias") or new_alias, content=raw)


def parse_action(verb: str, alias: str, body: bytes) -> Command | Refused:
    """A request about an alert that there is: ``verb`` is one of VERBS."""
    raw = json_object(body or b"{}")
    if raw is None:
        return Refused(status=400, errors={})
    errors = dict(_errors(raw))
    if verb == "notes" and not raw.get("note"):
        errors["note"] = "Note can not be empty."
    if verb == "details" and not raw.get("details"):
        errors["details"] = "Details can not be empty."
    if errors:
        return Refused(status=422, errors=errors)
    return Command(action=VERBS[verb], alias=alias, content=raw)


def process(
    current: SandboxIncident | None, command: Command, *, at: float, new_id: str, account: str
) -> tuple[SandboxIncident | None, Outcome]:
    """What an accepted request does to the open alert of its alias; None where there is none.

    Args:
        current: the open alert.
        command: what was accepted.
        at: when it is processed, seconds since the epoch.
        new_id: the id of the alert that it may open.
        account: the key as it may be shown.
    """
    if command.action == "Create":
        alert = _created(current, command, at, new_id, account)
    elif current is None:
        return None, Outcome(success=False, action=command.action, status="Alert does not exist")
    else:
        alert = _changed(current, command, at)
    outcome = Outcome(
        success=True, action=command.action, status=_DONE[command.action], alert_id=alert.id, alias=alert.key
    )
    return alert, outcome


def _created(
    current: SandboxIncident | None, command: Command, at: float, new_id: str, account: str
) -> SandboxIncident:
    entry = _entry(command, "create", at)
    if current is not None:
        return replace(current.with_entry(entry), count=current.count + 1)
    return SandboxIncident(
        id=new_id,
        pager=PAGER,
        account=account,
        key=command.alias,
        status=Status.TRIGGERED,
        title=str(command.content["message"]),
        severity=str(command.content.get("priority") or "P3"),
        opened_at=at,
        events=(entry,),
    )


def _changed(current: SandboxIncident, command: Command, at: float) -> SandboxIncident:
    match command.action:
        case "Close":
            return current.resolved(_entry(command, "close", at))
        case "Acknowledge":
            return current.acknowledged(_entry(command, "acknowledge", at))
        case "AddDetails":
            return current.with_entry(_entry(command, "details", at))
        case _:
            return current.with_entry(_entry(command, "note", at))


def _entry(command: Command, action: str, at: float) -> Entry:
    details = command.content.get("details") or {}
    return Entry(
        at=at,
        action=action,
        summary=str(command.content.get("message") or _first_line(command.content.get("note"))),
        payload=command.content,
        traces=_items(details.get(EVIDENCE_TRACES)),
        logs=_leading_number(details.get(EVIDENCE_LOGS)),
    )


_DONE: Final[Mapping[str, str]] = {
    "Create": "Created alert",
    "Close": "Closed alert",
    "Acknowledge": "Acknowledged alert",
    "AddNote": "Added note to alert",
    "AddDetails": "Added details to alert",
}


def _first_line(note: object) -> str:
    return str(note or "").partition("\n")[0]


def _items(value: object) -> int:
    return len([item for item in str(value or "").split(",") if item.strip()])


def _leading_number(value: object) -> int:
    word = str(value or "0").split()[0]
    return int(word) if word.isascii() and word.isdigit() else 1


# ---------------------------------------------------------------- what is refused
def _errors(raw: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Every field that breaks a documented limit, by name."""
    for name, limit in TEXT_LIMITS.items():
        value = raw.get(name)
        if value is not None and not isinstance(value, str):
            yield name, f"{name} should be a string."
        elif value is not None and utf16_units(value) > limit:
            yield name, f"{name} should not be longer than {limit} characters."
    if raw.get("priority") not in (None, *PRIORITIES):
        yield "priority", f"priority should be one of {', '.join(PRIORITIES)}."
    yield from _list_errors(raw, "tags", TAG_COUNT, TAG_LENGTH)
    yield from _list_errors(raw, "actions", ACTION_COUNT, TAG_LENGTH)
    yield from _details_errors(raw.get("details"))


def _list_errors(raw: Mapping[str, Any], name: str, count: int, length: int) -> Iterator[tuple[str, str]]:
    items = raw.get(name)
    if items is None:
        return
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        yield name, f"{name} should be a list of strings."
    elif len(items) > count or any(utf16_units(item) > length for item in items):
        yield name, f"{name} should be at most {count}, each at most {length} characters."


def _details_errors(details: object) -> Iterator[tuple[str, str]]:
    if details is None:
        return
    if not isinstance(details, dict) or not all(isinstance(value, str) for value in details.values()):
        yield "details", "details should be a map of strings."
    elif sum(utf16_units(name) + utf16_units(value) for name, value in details.items()) > DETAILS_LENGTH:
        yield "details", f"details should not be longer than {DETAILS_LENGTH} characters in all."
