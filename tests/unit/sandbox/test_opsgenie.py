import json

import pytest

from shopwatch_engine.sandbox.board import Board
from shopwatch_engine.sandbox.incident import SandboxIncident, Status
from shopwatch_engine.sandbox.opsgenie import Command, Refused, parse_action, parse_create, process


def created(**fields: object) -> Command | Refused:
    return parse_create(json.dumps({"message": "it broke", **fields}).encode(), new_alias="made-up")


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"message": ""}, "message"),
        ({"message": None}, "message"),
        ({"message": "x" * 131}, "message"),
        ({"message": "\U0001f525" * 66}, "message"),
        ({"message": 7}, "message"),
        ({"alias": "x" * 513}, "alias"),
        ({"description": "x" * 15_001}, "description"),
        ({"entity": "x" * 513}, "entity"),
        ({"source": "x" * 101}, "source"),
        ({"user": "x" * 101}, "user"),
        ({"note": "x" * 25_001}, "note"),
        ({"priority": "P0"}, "priority"),
        ({"tags": ["x"] * 21}, "tags"),
        ({"tags": ["x" * 51]}, "tags"),
        ({"tags": "x"}, "tags"),
        ({"actions": ["x"] * 11}, "actions"),
        ({"details": {"a": "x" * 8_000}}, "details"),
        ({"details": {"a": 7}}, "details"),
    ],
)
def test_what_is_refused(fields: dict[str, object], wrong: str) -> None:
    refused = created(**fields)
    assert isinstance(refused, Refused)
    assert refused.status == 422
    assert list(refused.errors) == [wrong]


def test_at_the_limits_it_is_taken() -> None:
    fields = {
        "message": "x" * 130,
        "alias": "x" * 512,
        "description": "x" * 15_000,
        "entity": "x" * 512,
        "source": "x" * 100,
        "user": "x" * 100,
        "note": "x" * 25_000,
        "priority": "P5",
        "tags": ["x" * 50] * 20,
        "actions": ["x"] * 10,
        "details": {"a": "x" * 7_999},
    }
    assert isinstance(created(**fields), Command)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff"])
def test_a_body_that_is_no_json_is_a_400(body: bytes) -> None:
    assert parse_create(body, new_alias="x") == Refused(status=400, errors={})


@pytest.mark.parametrize(
    ("verb", "body", "taken"),
    [
        ("close", b"", True),
        ("close", b'{"note": "done"}', True),
        ("acknowledge", b"{}", True),
        ("notes", b'{"note": "x"}', True),
        ("notes", b"{}", False),
        ("details", b'{"details": {"a": "b"}}', True),
        ("details", b'{"details": {}}', False),
        ("close", b"nonsense", False),
    ],
)
def test_actions(verb: str, body: bytes, *, taken: bool) -> None:
    assert isinstance(parse_action(verb, "k", body), Command) is taken


def step(current: SandboxIncident | None, action: str) -> tuple[SandboxIncident | None, str]:
    content = {"message": "it broke", "details": {"a": "b"}} if action == "Create" else {"note": "n"}
    command = Command(action=action, alias="k", content=content)
    still_open = current if current is not None and current.is_open else None
    changed, outcome = process(still_open, command, at=1.0, new_id="og-1", account="x")
    return changed or current, outcome.status


@pytest.mark.parametrize(
    ("actions", "said", "status"),
    [
        (["Create"], ["Created alert"], Status.TRIGGERED),
        (["Create", "Create"], ["Created alert"] * 2, Status.TRIGGERED),
        (["Create", "Acknowledge"], ["Created alert", "Acknowledged alert"], Status.ACKNOWLEDGED),
        (["Create", "Close"], ["Created alert", "Closed alert"], Status.RESOLVED),
        (
            ["Create", "Close", "Close"],
            ["Created alert", "Closed alert", "Alert does not exist"],
            Status.RESOLVED,
        ),
        (["Create", "Close", "Create"], ["Created alert", "Closed alert", "Created alert"], Status.TRIGGERED),
        (["Create", "AddNote"], ["Created alert", "Added note to alert"], Status.TRIGGERED),
        (["Create", "AddDetails"], ["Created alert", "Added details to alert"], Status.TRIGGERED),
        (["AddNote"], ["Alert does not exist"], None),
        (["Close"], ["Alert does not exist"], None),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else "",
)
def test_the_life_of_an_alert(actions: list[str], said: list[str], status: Status | None) -> None:
    alert: SandboxIncident | None = None
    seen = []
    for action in actions:
        alert, told = step(alert, action)
        seen.append(told)
    assert seen == said
    assert (alert.status if alert else None) is status


def test_creating_again_only_counts() -> None:
    board = Board(process_delay_s=0)
    for message in ("first", "second"):
        command = parse_create(json.dumps({"message": message, "alias": "k"}).encode(), new_alias="x")
        assert isinstance(command, Command)
        board.accept(command, key="key", at=1.0)
    (alert,) = board.incidents(1.0)
    assert (alert.title, alert.count) == ("first", 2)


def test_an_accepted_request_is_processed_later() -> None:
    board = Board(process_delay_s=2.0)
    command = created(alias="k")
    assert isinstance(command, Command)
    request_id = board.accept(command, key="a key that is long enough", at=10.0)
    assert board.incidents(11.9) == ()
    assert board.outcome(request_id, 11.9) is None
    (alert,) = board.incidents(12.0)
    assert (alert.opened_at, alert.account) == (12.0, "…ough")
    outcome = board.outcome(request_id, 12.0)
    assert outcome is not None
    assert outcome[1].success


def test_a_discarded_request_does_nothing_and_says_so() -> None:
    board = Board(process_delay_s=0)
    command = created(alias="k")
    assert isinstance(command, Command)
    outcome = board.outcome(board.accept(command, key="key", at=1.0, discard=True), 1.0)
    assert outcome is not None
    assert not outcome[1].success
    assert board.incidents(1.0) == ()
