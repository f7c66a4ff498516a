"""PagerDuty's Events API v2: what it refuses, and what an event does. Pure.

Source of limits and answers: PagerDuty's Events API v2 documentation ("Send an Alert Event", "Overview").
An incident belongs to the pair of routing key and dedup key: an event with another routing key meets
nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from shopwatch_engine.sandbox.incident import Effect, Entry, SandboxIncident, Status, utf16_units
from shopwatch_engine.sandbox.strict_json import json_object

PAGER: Final = "pagerduty"
ACTIONS: Final = ("trigger", "acknowledge", "resolve")
SEVERITIES: Final = ("critical", "error", "warning", "info")
EVENT_BYTES: Final = 512 * 1024
ROUTING_KEY_LENGTH: Final = 32
DEDUP_KEY_LENGTH: Final = 255
SUMMARY_LENGTH: Final = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """An event that PagerDuty takes. ``content`` is all of it but the routing key."""

    routing_key: str
    action: str
    dedup_key: str
    content: Mapping[str, Any]

    @property
    def summary(self) -> str:
        """What the event says; what it does if it says nothing."""
        payload = self.content.get("payload")
        return str(payload.get("summary") or "") if isinstance(payload, dict) else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """An event that PagerDuty answers with 400: every reason there is."""

    errors: tuple[str, ...]

    def answer(self) -> dict[str, object]:
        """The documented body."""
        return {"status": "invalid event", "message": "Event object is invalid", "errors": list(self.errors)}


def parse(body: bytes, *, new_key: str) -> Event | Refused:
    """The event in a request's body, or why PagerDuty would refuse it.

    Args:
        body: as it came.
        new_key: the dedup key for a trigger that brings none.
    """
    if len(body) > EVENT_BYTES:
        return Refused(errors=(f"Event is larger than 512 KB ({len(body)} bytes)",))
    raw = json_object(body)
    if raw is None:
        return Refused(errors=("The body is not a JSON object",))
    if errors := tuple(_errors(raw)):
        return Refused(errors=errors)
    return Event(
        routing_key=raw["routing_key"],
        action=raw["event_action"],
        dedup_key=raw.get("dedup_key") or new_key,
        content={name: value for name, value in raw.items() if name != "routing_key"},
    )


def parse_change(body: bytes) -> Refused | None:
    """Why PagerDuty would refuse a change event; None if it takes it."""
    raw = json_object(body) if len(body) <= EVENT_BYTES else None
    if raw is None:
        return Refused(errors=("The body is not a JSON object of at most 512 KB",))
    payload = raw.get("payload")
    errors = [*_routing_key_errors(raw), *_summary_errors(payload if isinstance(payload, dict) else {})]
    return Refused(errors=tuple(errors)) if errors else None


def apply(
    current: SandboxIncident | None, event: Event, *, at: float, new_id: str, account: str
) -> tuple[SandboxIncident | None, Effect]:
    """What an event does to the open incident of its keys; None where there is none.

    Args:
        current: the open incident of the routing and dedup key.
        event: what came.
        at: when, seconds since the epoch.
        new_id: the id of the incident that it may open.
        account: the routing key as it may be shown.
    """
    entry = _entry(event, at)
    if event.action == "trigger":
        if current is None:
            return _opened(event, entry, new_id, account), Effect.OPENED
        severity = _payload(event).get("severity", current.severity)
        added = replace(current.with_entry(entry), severity=severity, count=current.count + 1)
        return added, Effect.ADDED
    if current is None:
        return None, Effect.DROPPED
    if event.action == "acknowledge":
        return current.acknowledged(entry), Effect.ACKNOWLEDGED
    return current.resolved(entry), Effect.RESOLVED


def _opened(event: Event, entry: Entry, new_id: str, account: str) -> SandboxIncident:
    return SandboxIncident(
        id=new_id,
        pager=PAGER,
        account=account,
        key=event.dedup_key,
        status=Status.TRIGGERED,
        title=event.summary,
        severity=str(_payload(event)["severity"]),
        opened_at=entry.at,
        events=(entry,),
    )


def _entry(event: Event, at: float) -> Entry:
    evidence = _evidence(event)
    return Entry(
        at=at,
        action=event.action,
        summary=event.summary,
        payload=event.content,
        traces=_length(evidence.get("traces")),
        logs=_length(evidence.get("logs")),
    )


def _payload(event: Event) -> Mapping[str, Any]:
    payload = event.content.get("payload")
    return payload if isinstance(payload, dict) else {}


def _evidence(event: Event) -> Mapping[str, Any]:
    details = _payload(event).get("custom_details")
    evidence = details.get("evidence") if isinstance(details, dict) else None
    return evidence if isinstance(evidence, dict) else {}


def _length(value: object) -> int:
    return len(value) if isinstance(value, list) else 0


# ---------------------------------------------------------------- what is refused
def _errors(raw: Mapping[str, Any]) -> Iterator[str]:
    yield from _routing_key_errors(raw)
    action = raw.get("event_action")
    if action not in ACTIONS:
        yield f"'event_action' is invalid (must be one of: {', '.join(ACTIONS)})"
    yield from _dedup_key_errors(raw.get("dedup_key"), required=action in ("acknowledge", "resolve"))
    if action == "trigger":
        yield from _trigger_errors(raw)


def _routing_key_errors(raw: Mapping[str, Any]) -> Iterator[str]:
    key = raw.get("routing_key")
    if not isinstance(key, str) or len(key) != ROUTING_KEY_LENGTH:
        yield "Length of 'routing_key' is incorrect (should be 32 characters)"
    if isinstance(key, str) and not (key.isascii() and key.isalnum()):
        yield "'routing_key' cannot contain non-alphanumeric characters."


def _dedup_key_errors(key: object, *, required: bool) -> Iterator[str]:
    if key is None or key == "":
        if required:
            yield "'dedup_key' is missing or blank"
    elif not isinstance(key, str):
        yield "'dedup_key' is not a string"
    elif utf16_units(key) > DEDUP_KEY_LENGTH:
        yield "'dedup_key' is too long (maximum is 255 characters)"


def _trigger_errors(raw: Mapping[str, Any]) -> Iterator[str]:
    payload = raw.get("payload")
    if not isinstance(payload, dict):
        yield "'payload' is missing or is not an object"
        return
    yield from _summary_errors(payload)
    source = payload.get("source")
    if not isinstance(source, str) or not source.strip():
        yield "'payload.source' is missing or blank"
    if payload.get("severity") not in SEVERITIES:
        yield f"'payload.severity' is invalid (must be one of: {', '.join(SEVERITIES)})"
    for name in ("component", "group", "class", "timestamp"):
        if name in payload and not isinstance(payload[name], str):
            yield f"'payload.{name}' is not a string"
    yield from _attachment_errors(raw)


def _summary_errors(payload: Mapping[str, Any]) -> Iterator[str]:
    summary = payload.get("summary")
    if not isinstance(summary, str) or not summary.strip():
        yield "'payload.summary' is missing or blank"
    elif utf16_units(summary) > SUMMARY_LENGTH:
        yield "'payload.summary' is too long (maximum is 1024 characters)"


def _attachment_errors(raw: Mapping[str, Any]) -> Iterator[str]:
    links, images = raw.get("links") or [], raw.get("images") or []
    if not isinstance(links, list) or not all(isinstance(one, dict) and one.get("href") for one in links):
        yield "'links' must be objects that have an 'href'"
    if not isinstance(images, list) or not all(
        isinstance(one, dict) and str(one.get("src", "")).startswith("https://") for one in images
    ):
        yield "'images' must be objects whose 'src' is served over HTTPS"
