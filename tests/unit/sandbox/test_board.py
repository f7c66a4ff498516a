import pytest

from shopwatch_engine.sandbox.board import INCIDENT_LIMIT, REQUEST_LIMIT, Board
from shopwatch_engine.sandbox.faults import Fault, Mode, parse_fault
from shopwatch_engine.sandbox.incident import TIMELINE_LIMIT, Effect, Status, masked
from shopwatch_engine.sandbox.pagerduty import Event
from shopwatch_engine.sandbox.rate import Bucket


def event(key: str, action: str = "trigger", account: str = "a" * 32) -> Event:
    content = {"payload": {"summary": key, "source": "s", "severity": "info"}}
    return Event(routing_key=account, action=action, dedup_key=key, content=content)


def test_another_routing_key_meets_nothing() -> None:
    board = Board()
    board.take(event("k"), 1.0)
    assert board.take(event("k", "resolve", account="b" * 32), 2.0) is Effect.DROPPED
    assert [one.status for one in board.incidents(2.0)] == [Status.TRIGGERED]


def test_a_trigger_after_a_resolve_is_a_new_incident_newest_first() -> None:
    board = Board()
    for at, action in enumerate(("trigger", "resolve", "trigger")):
        board.take(event("k", action), float(at))
    assert [(one.opened_at, one.status) for one in board.incidents(3.0)] == [
        (2.0, Status.TRIGGERED),
        (0.0, Status.RESOLVED),
    ]


def test_acting_by_hand() -> None:
    board = Board()
    board.take(event("k"), 1.0)
    (incident,) = board.incidents(1.0)
    assert board.act_by_hand(incident.id, resolve=False, at=2.0)
    assert board.incidents(2.0)[0].status is Status.ACKNOWLEDGED
    assert board.act_by_hand(incident.id, resolve=True, at=3.0)
    assert not board.act_by_hand(incident.id, resolve=True, at=4.0)
    assert not board.act_by_hand("pd-unknown", resolve=True, at=4.0)
    (resolved,) = board.incidents(4.0)
    assert (resolved.status, resolved.resolved_at) == (Status.RESOLVED, 3.0)
    assert [entry.summary for entry in resolved.events][1:] == ["Acknowledged by hand", "Resolved by hand"]
    assert board.take(event("k"), 5.0) is Effect.OPENED


def test_memory_is_bounded() -> None:
    board = Board()
    for number in range(INCIDENT_LIMIT + 3):
        board.take(event(f"k{number}"), float(number))
    kept = {one.key for one in board.incidents(1e9)}
    assert len(kept) == INCIDENT_LIMIT
    assert "k2" not in kept
    assert board.take(event("k2", "resolve"), 1e9) is Effect.DROPPED
    for number in range(REQUEST_LIMIT + 1):
        board.arrived(at=float(number), pager="pagerduty", method="POST", path="/")
    assert len(board.requests()) == REQUEST_LIMIT


def test_a_timeline_is_bounded_and_keeps_its_beginning() -> None:
    board = Board()
    for at in range(TIMELINE_LIMIT + 5):
        board.take(event("k"), float(at))
    (incident,) = board.incidents(1e9)
    assert [entry.at for entry in incident.events[:2]] == [0.0, 6.0]
    assert (len(incident.events), incident.count) == (TIMELINE_LIMIT, TIMELINE_LIMIT + 5)


def test_forgetting() -> None:
    board = Board()
    board.take(event("k"), 1.0)
    number = board.arrived(at=1.0, pager="pagerduty", method="POST", path="/")
    board.forget()
    board.note(number, status=202)
    assert (board.incidents(1.0), board.requests()) == ((), ())
    assert board.take(event("k", "resolve"), 2.0) is Effect.DROPPED


@pytest.mark.parametrize(("key", "shown"), [("x" * 28 + "abcd", "…abcd"), ("short", "***"), ("", "***")])
def test_keys_are_masked(key: str, shown: str) -> None:
    assert masked(key) == shown


def test_a_rate_limit_lets_a_minutes_worth_pass_and_refills() -> None:
    bucket = Bucket.full(2, at=0.0)
    passed = []
    for at in (0.0, 0.0, 0.0, 29.0, 30.0, 30.0, 3600.0, 3600.0, 3600.0):
        bucket, passes = bucket.take(at)
        passed.append(passes)
    assert passed == [True, True, False, False, True, False, True, True, False]


def test_no_rate_limit_lets_all_pass() -> None:
    assert all(Bucket.full(0, at=0.0).take(0.0)[1] for _ in range(1000))


@pytest.mark.parametrize(
    ("raw", "fault"),
    [
        ({}, Fault()),
        ({"mode": "fail", "status": 500}, Fault(mode=Mode.FAIL, status=500)),
        ({"mode": "slow", "seconds": 2}, Fault(mode=Mode.SLOW, seconds=2)),
        ({"mode": "limit", "retry_after": 3}, Fault(mode=Mode.LIMIT, retry_after=3)),
        (
            {"mode": "limit", "retry_after": "Wed, 21 Oct 2099 07:28:00 GMT"},
            Fault(mode=Mode.LIMIT, retry_after="Wed, 21 Oct 2099 07:28:00 GMT"),
        ),
    ],
)
def test_faults(raw: object, fault: Fault) -> None:
    assert parse_fault(raw) == fault


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        ([], "expected a JSON object"),
        ({"mood": "ok"}, "unknown key 'mood'"),
        ({"mode": "explode"}, "mode is 'explode', expected one of ok, fail"),
        ({"mode": ["ok"]}, "mode is"),
        ({"status": 200}, "status is 200, expected a number from 300 to 599"),
        ({"seconds": 3600}, "seconds is 3600"),
        ({"seconds": True}, "seconds is True"),
        ({"retry_after": -1}, "retry_after is -1"),
        ({"retry_after": "a\r\nb"}, "retry_after is"),
    ],
)
def test_a_wrong_fault_is_told_by_key_and_value(raw: object, told: str) -> None:
    with pytest.raises(ValueError, match=r"expected") as caught:
        parse_fault(raw)
    assert told in str(caught.value)
