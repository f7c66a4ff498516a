import json
from typing import Any

import pytest

from shopwatch_engine.sandbox.incident import Effect, SandboxIncident, Status
from shopwatch_engine.sandbox.pagerduty import Event, Refused, apply, parse, parse_change

KEY = "0123456789abcdef0123456789abcdef"
PAYLOAD: dict[str, Any] = {"summary": "it broke", "source": "orders", "severity": "critical"}
TRIGGER: dict[str, Any] = {
    "routing_key": KEY,
    "event_action": "trigger",
    "dedup_key": "k",
    "payload": PAYLOAD,
}


def parsed(raw: object) -> Event | Refused:
    return parse(json.dumps(raw).encode(), new_key="made-up")


def test_a_good_trigger_is_taken_without_its_key() -> None:
    event = parsed(TRIGGER)
    assert isinstance(event, Event)
    assert (event.action, event.dedup_key, event.summary) == ("trigger", "k", "it broke")
    assert KEY not in repr(event.content)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"routing_key": "short"}, "Length of 'routing_key' is incorrect (should be 32 characters)"),
        ({"routing_key": None}, "Length of 'routing_key' is incorrect (should be 32 characters)"),
        ({"routing_key": "-" * 32}, "'routing_key' cannot contain non-alphanumeric characters."),
        ({"dedup_key": "k" * 256}, "'dedup_key' is too long (maximum is 255 characters)"),
        ({"dedup_key": 7}, "'dedup_key' is not a string"),
        (
            {"event_action": "reopen"},
            "'event_action' is invalid (must be one of: trigger, acknowledge, resolve)",
        ),
        ({"payload": None}, "'payload' is missing or is not an object"),
        ({"payload": {**PAYLOAD, "summary": ""}}, "'payload.summary' is missing or blank"),
        (
            {"payload": {**PAYLOAD, "summary": "x" * 1025}},
            "'payload.summary' is too long (maximum is 1024 characters)",
        ),
        (
            {"payload": {**PAYLOAD, "summary": "\U0001f525" * 513}},
            "'payload.summary' is too long (maximum is 1024 characters)",
        ),
        ({"payload": {**PAYLOAD, "source": " "}}, "'payload.source' is missing or blank"),
        (
            {"payload": {**PAYLOAD, "severity": "page"}},
            "'payload.severity' is invalid (must be one of: critical, error, warning, info)",
        ),
        ({"payload": {**PAYLOAD, "class": 7}}, "'payload.class' is not a string"),
        ({"links": [{"text": "no address"}]}, "'links' must be objects that have an 'href'"),
        (
            {"images": [{"src": "http://x/y.png"}]},
            "'images' must be objects whose 'src' is served over HTTPS",
        ),
        ({"event_action": "resolve", "dedup_key": None}, "'dedup_key' is missing or blank"),
    ],
)
def test_what_is_refused(change: dict[str, object], error: str) -> None:
    refused = parsed({**TRIGGER, **change})
    assert refused == Refused(errors=(error,))
    assert refused.answer() == {
        "status": "invalid event",
        "message": "Event object is invalid",
        "errors": [error],
    }


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{", b"\xff", b'{"a": NaN}', b'{"a": "\\ud800"}', b"[" * 100_000],
    ids=["empty", "list", "half", "no-utf8", "nan", "lone-surrogate", "deep"],
)
def test_a_body_that_is_no_strict_json_object(body: bytes) -> None:
    assert parse(body, new_key="x") == Refused(errors=("The body is not a JSON object",))


def test_at_the_limits_it_is_taken() -> None:
    event = {**TRIGGER, "dedup_key": "k" * 255, "payload": {**PAYLOAD, "summary": "x" * 1024}}
    assert isinstance(parsed(event), Event)


@pytest.mark.parametrize(("extra", "taken"), [(0, True), (1, False)], ids=["512-KB", "one-more"])
def test_the_whole_event_is_at_most_512_kb(extra: int, *, taken: bool) -> None:
    frame = len(json.dumps({**TRIGGER, "pad": ""}))
    body = json.dumps({**TRIGGER, "pad": "x" * (512 * 1024 - frame + extra)}).encode()
    assert isinstance(parse(body, new_key="x"), Event) is taken


def test_a_trigger_without_a_key_gets_one() -> None:
    event = parsed({name: value for name, value in TRIGGER.items() if name != "dedup_key"})
    assert isinstance(event, Event)
    assert event.dedup_key == "made-up"


def event_of(action: str, **payload: object) -> Event:
    content = {"payload": {**PAYLOAD, **payload}} if action == "trigger" else {}
    return Event(routing_key=KEY, action=action, dedup_key="k", content=content)


def run(*steps: tuple[str, float]) -> tuple[SandboxIncident | None, list[Effect]]:
    """The incident after these actions, and what each did."""
    current: SandboxIncident | None = None
    effects = []
    for action, at in steps:
        still_open = current if current is not None and current.is_open else None
        changed, effect = apply(still_open, event_of(action), at=at, new_id=f"pd-{at:g}", account="x")
        current = changed or current
        effects.append(effect)
    return current, effects


@pytest.mark.parametrize(
    ("steps", "effects", "status"),
    [
        (["trigger"], [Effect.OPENED], Status.TRIGGERED),
        (["trigger", "trigger"], [Effect.OPENED, Effect.ADDED], Status.TRIGGERED),
        (["trigger", "acknowledge"], [Effect.OPENED, Effect.ACKNOWLEDGED], Status.ACKNOWLEDGED),
        (
            ["trigger", "acknowledge", "trigger"],
            [Effect.OPENED, Effect.ACKNOWLEDGED, Effect.ADDED],
            Status.ACKNOWLEDGED,
        ),
        (["trigger", "resolve"], [Effect.OPENED, Effect.RESOLVED], Status.RESOLVED),
        (
            ["trigger", "resolve", "resolve"],
            [Effect.OPENED, Effect.RESOLVED, Effect.DROPPED],
            Status.RESOLVED,
        ),
        (
            ["trigger", "resolve", "trigger"],
            [Effect.OPENED, Effect.RESOLVED, Effect.OPENED],
            Status.TRIGGERED,
        ),
        (["resolve"], [Effect.DROPPED], None),
        (["acknowledge"], [Effect.DROPPED], None),
    ],
    ids=lambda value: "-".join(map(str, value)) if isinstance(value, list) else "",
)
def test_the_life_of_an_incident(steps: list[str], effects: list[Effect], status: Status | None) -> None:
    incident, seen = run(*((action, float(at)) for at, action in enumerate(steps)))
    assert seen == effects
    assert (incident.status if incident else None) is status


def test_a_second_trigger_counts_and_may_change_the_severity() -> None:
    opened, _ = apply(None, event_of("trigger"), at=1.0, new_id="pd-1", account="x")
    again, _ = apply(opened, event_of("trigger", severity="info"), at=2.0, new_id="pd-2", account="x")
    assert again is not None
    assert (again.id, again.count, again.severity, len(again.events)) == ("pd-1", 2, "info", 2)


@pytest.mark.parametrize(
    ("evidence", "has_evidence"),
    [
        ({"traces": [{}], "logs": []}, True),
        ({"traces": [], "logs": [{}]}, True),
        ({"traces": [], "logs": []}, False),
        ("none", False),
    ],
)
def test_evidence_is_traces_or_log_lines(evidence: object, *, has_evidence: bool) -> None:
    event = event_of("trigger", custom_details={"evidence": evidence})
    incident, _ = apply(None, event, at=1.0, new_id="pd-1", account="x")
    assert incident is not None
    assert incident.has_evidence is has_evidence


@pytest.mark.parametrize(
    ("raw", "taken"),
    [
        ({"routing_key": KEY, "payload": {"summary": "deployed"}}, True),
        ({"routing_key": KEY, "payload": {}}, False),
        ({"routing_key": "x", "payload": {"summary": "deployed"}}, False),
        ([], False),
    ],
)
def test_change_events(raw: object, *, taken: bool) -> None:
    assert (parse_change(json.dumps(raw).encode()) is None) is taken
