"""One contract for every pager: the fake, PagerDuty and Opsgenie, the latter two at a strict sandbox."""

import asyncio
import logging
import time
import traceback
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import pytest
import pytest_asyncio

from shopwatch_engine.exceptions import PagerError
from shopwatch_engine.model import Action, Integration, Notification, PagerKind, Secret
from shopwatch_engine.pagers import OpsgeniePager, PagerDutyPager, make_pager
from shopwatch_engine.ports import Pager
from shopwatch_engine.sandbox.faults import Fault, Mode
from shopwatch_engine.sandbox.server import RunningSandbox, running_sandbox
from shopwatch_engine.testing.notifications import sample_evidence, sample_notification
from shopwatch_engine.testing.pagers import FakePager

KEY = "5ecret0k3y5ecret0k3y5ecret0k3yab"
TIMEOUT_S = 0.5

pytestmark = pytest.mark.asyncio(loop_scope="module")  # one sandbox serves the whole module


@dataclass(frozen=True)
class Seen:
    """An incident as the far side holds it."""

    key: str
    resolved: bool
    has_evidence: bool


@dataclass(frozen=True)
class Case:
    """A pager, and the far side's controls."""

    pager: Pager
    kind: PagerKind | None
    incidents: Callable[[], list[Seen]]
    attempts: Callable[[], int]  # requests that reached the far side
    answer: Callable[[int, float | None], None]
    hang: Callable[[], None]
    recover: Callable[[], None]


def fake_case() -> Case:
    pager = FakePager(timeout_s=TIMEOUT_S)

    def recover() -> None:
        pager.fail(None)
        pager.release()

    return Case(
        pager=pager,
        kind=None,
        incidents=lambda: [Seen(one.dedup_key, one.resolved, one.has_evidence) for one in pager.incidents],
        attempts=lambda: pager.attempts,
        answer=lambda status, retry_after: pager.answer(status, retry_after_s=retry_after),
        hang=pager.hang,
        recover=recover,
    )


def real_case(kind: PagerKind, running: RunningSandbox) -> Case:
    url = running.pagerduty_url if kind is PagerKind.PAGERDUTY else running.opsgenie_url
    integration = Integration(id=f"on-call/{kind.value}/0", kind=kind, url=url, key=Secret(KEY))

    def fault(mode: Mode, status: int = 503, retry_after: float | None = None) -> None:
        running.set_fault(kind.value, Fault(mode=mode, status=status, retry_after=retry_after))

    return Case(
        pager=make_pager(integration, timeout_s=TIMEOUT_S),
        kind=kind,
        incidents=lambda: [Seen(one.key, not one.is_open, one.has_evidence) for one in running.incidents()],
        attempts=lambda: len(running.sandbox.requests()),
        answer=lambda status, retry_after: fault(Mode.FAIL, status, retry_after),
        hang=lambda: fault(Mode.HANG),
        recover=lambda: fault(Mode.OK),
    )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def one_sandbox() -> AsyncIterator[RunningSandbox]:
    async with running_sandbox() as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def sandbox(one_sandbox: RunningSandbox) -> AsyncIterator[RunningSandbox]:
    yield one_sandbox
    for kind in PagerKind:
        one_sandbox.set_fault(kind.value, Fault())
    one_sandbox.sandbox.forget()


@pytest_asyncio.fixture(params=["fake", "pagerduty", "opsgenie"], loop_scope="module")
async def case(request: pytest.FixtureRequest, sandbox: RunningSandbox) -> AsyncIterator[Case]:
    made = fake_case() if request.param == "fake" else real_case(PagerKind(request.param), sandbox)
    yield made
    made.recover()
    await made.pager.close()


PLAIN = sample_notification()
WITH_EVIDENCE = sample_notification(evidence=sample_evidence())


async def refusal_of(case: Case, action: Action = Action.TRIGGER, page: Notification = PLAIN) -> PagerError:
    with pytest.raises(PagerError) as caught:
        await case.pager.send(action, page)
    return caught.value


async def test_an_incident_lives_from_trigger_to_resolve(case: Case) -> None:
    await case.pager.send(Action.TRIGGER, PLAIN)
    assert case.incidents() == [Seen(PLAIN.dedup_key, resolved=False, has_evidence=False)]
    await case.pager.send(Action.EVIDENCE, WITH_EVIDENCE)
    assert case.incidents() == [Seen(PLAIN.dedup_key, resolved=False, has_evidence=True)]
    await case.pager.send(Action.UPDATE, PLAIN)
    await case.pager.send(Action.RESOLVE, PLAIN)
    assert case.incidents() == [Seen(PLAIN.dedup_key, resolved=True, has_evidence=True)]


async def test_the_same_trigger_twice_is_one_incident(case: Case) -> None:
    await case.pager.send(Action.TRIGGER, PLAIN)
    await case.pager.send(Action.TRIGGER, PLAIN)
    assert len(case.incidents()) == 1


async def test_a_trigger_after_a_resolve_opens_another(case: Case) -> None:
    for action in (Action.TRIGGER, Action.RESOLVE, Action.TRIGGER):
        await case.pager.send(action, PLAIN)
    assert sorted(one.resolved for one in case.incidents()) == [False, True]


async def test_two_keys_are_two_incidents(case: Case) -> None:
    await case.pager.send(Action.TRIGGER, PLAIN)
    await case.pager.send(Action.TRIGGER, sample_notification(dedup_key="another"))
    await case.pager.send(Action.RESOLVE, PLAIN)
    assert {(one.key, one.resolved) for one in case.incidents()} == {
        (PLAIN.dedup_key, True),
        ("another", False),
    }


async def test_resolving_what_nobody_knows_is_fine(case: Case) -> None:
    await case.pager.send(Action.RESOLVE, PLAIN)
    assert case.incidents() == []


@pytest.mark.parametrize("action", list(Action), ids=lambda action: action.value)
@pytest.mark.parametrize(
    ("status", "retry"),
    [
        (302, True),
        (400, False),
        (401, False),
        (402, False),
        (403, False),
        (408, True),
        (413, False),
        (422, False),
        (429, True),
        (500, True),
        (502, True),
        (503, True),
        (504, True),
    ],
)
async def test_retry_table(case: Case, status: int, retry: bool, action: Action) -> None:  # noqa: FBT001 - a table's column
    case.answer(status, None)
    error = await refusal_of(case, action)
    assert (error.retry, error.retry_after_s) == (retry, None)
    assert str(status) in error.reason
    assert case.attempts() == 1
    assert case.incidents() == []


async def test_the_wait_that_the_pager_asks_for_is_told(case: Case) -> None:
    case.answer(429, 37.0)
    assert (await refusal_of(case)).retry_after_s == 37.0


async def test_a_hanging_pager_is_given_up_in_time(case: Case) -> None:
    case.hang()
    started = time.monotonic()
    error = await refusal_of(case)
    assert time.monotonic() - started < TIMEOUT_S + 1.5
    assert error.retry
    assert case.incidents() == []


async def test_it_works_again_after_a_failure(case: Case) -> None:
    case.answer(503, None)
    await refusal_of(case)
    case.recover()
    await case.pager.send(Action.TRIGGER, PLAIN)
    assert len(case.incidents()) == 1


async def test_many_at_once(case: Case) -> None:
    pages = [sample_notification(dedup_key=f"key-{number}") for number in range(20)]
    await asyncio.gather(*(case.pager.send(Action.TRIGGER, page) for page in pages))
    assert {one.key for one in case.incidents()} == {page.dedup_key for page in pages}


async def test_a_closed_pager_takes_nothing_and_says_so(case: Case) -> None:
    await case.pager.close()
    assert (await refusal_of(case)).retry
    assert case.incidents() == []


# ---------------------------------------------------------------- over a real wire only
@pytest_asyncio.fixture(
    params=[PagerKind.PAGERDUTY, PagerKind.OPSGENIE], ids=lambda kind: kind.value, loop_scope="module"
)
async def wired(request: pytest.FixtureRequest, sandbox: RunningSandbox) -> AsyncIterator[Case]:
    made = real_case(request.param, sandbox)
    yield made
    made.recover()
    await made.pager.close()


async def test_a_connection_reset_is_tried_again(wired: Case, sandbox: RunningSandbox) -> None:
    assert wired.kind
    sandbox.set_fault(wired.kind.value, Fault(mode=Mode.RESET))
    error = await refusal_of(wired)
    assert error.retry
    assert wired.attempts() == 1


async def test_a_refused_connection_is_tried_again_once_only_here(wired: Case, unused_tcp_port: int) -> None:
    assert wired.kind
    url = f"http://127.0.0.1:{unused_tcp_port}/v2/enqueue"
    pager = make_pager(Integration(id="x", kind=wired.kind, url=url, key=Secret(KEY)))
    started = time.monotonic()
    with pytest.raises(PagerError, match="ConnectionRefusedError") as caught:
        await pager.send(Action.TRIGGER, PLAIN)
    assert caught.value.retry
    assert time.monotonic() - started < 1.0
    await pager.close()


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (3, 3.0),
        ("2.5", 2.5),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("Wed, 21 Oct 2099 07:28:00 GMT", 900.0),
        ("99999999", 900.0),
        ("soon", None),
        ("-5", None),
        ("nan", None),
    ],
)
async def test_retry_after(
    wired: Case, sandbox: RunningSandbox, header: float | str, seconds: float | None
) -> None:
    assert wired.kind
    sandbox.set_fault(wired.kind.value, Fault(mode=Mode.LIMIT, retry_after=header))
    assert (await refusal_of(wired)).retry_after_s == seconds


async def test_a_slow_pager_took_the_page_and_the_second_try_is_no_second_incident(
    wired: Case, sandbox: RunningSandbox
) -> None:
    assert wired.kind
    sandbox.set_fault(wired.kind.value, Fault(mode=Mode.SLOW, seconds=TIMEOUT_S + 0.5))
    assert (await refusal_of(wired)).retry
    wired.recover()
    await wired.pager.send(Action.TRIGGER, PLAIN)
    assert len(wired.incidents()) == 1


async def test_a_rate_limit_is_told_as_one() -> None:
    async with running_sandbox(rate_limit=2) as running:
        case = real_case(PagerKind.PAGERDUTY, running)
        await case.pager.send(Action.TRIGGER, PLAIN)
        await case.pager.send(Action.TRIGGER, PLAIN)
        error = await refusal_of(case)
        assert error.retry
        assert "429" in error.reason
        assert case.attempts() == 3
        await case.pager.close()


@pytest.mark.parametrize("mode", [mode for mode in Mode if mode not in (Mode.OK, Mode.SLOW)])
@pytest.mark.parametrize("status", [401, 500])
async def test_no_key_in_any_error_repr_or_log(
    wired: Case, sandbox: RunningSandbox, mode: Mode, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    assert wired.kind
    caplog.set_level(logging.DEBUG)
    sandbox.set_fault(wired.kind.value, Fault(mode=mode, status=status))
    told = ""
    try:
        await wired.pager.send(Action.TRIGGER, PLAIN)
    except PagerError as error:
        told = "".join(traceback.format_exception(error)) + repr(error) + error.reason
    records = "".join(f"{record.getMessage()}{record.args!r}" for record in caplog.records)
    seen = told + records + repr(wired.pager) + repr(vars(wired.pager))
    # asyncio and the sandbox's own server may log paths; none may hold the key or pdpyras' last four of it
    assert KEY not in seen
    assert KEY[-4:] not in told + records


async def test_a_pager_that_repeats_the_key_is_quoted_without_it(wired: Case) -> None:
    assert wired.kind

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = f'{{"message": "no such key: {KEY}"}}'.encode()
        writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(echo, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        pager = make_pager(Integration(id="x", kind=wired.kind, url=url, key=Secret(KEY)), timeout_s=5)
        with pytest.raises(PagerError, match=r"403: .*no such key: \*\*\*") as caught:
            await pager.send(Action.TRIGGER, PLAIN)
        assert KEY not in str(caught.value)
        await pager.close()


@pytest.mark.parametrize("body", [b"<html>log in to the network</html>", b"", b"[]", b'{"status":'])
async def test_an_answer_that_is_not_the_pagers_is_no_delivery(wired: Case, body: bytes) -> None:
    assert wired.kind

    async def portal(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(portal, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        pager = make_pager(Integration(id="x", kind=wired.kind, url=url, key=Secret(KEY)), timeout_s=5)
        with pytest.raises(PagerError, match="answered 200, but not as") as caught:
            await pager.send(Action.TRIGGER, PLAIN)
        assert caught.value.retry
        await pager.close()


@pytest.mark.parametrize(
    ("key", "told"),
    [("", "has no key"), ("line\nbreak", "line breaks"), ("ключ", "outside ASCII"), ("two words", "blanks")],
    ids=["none", "line-break", "not-ascii", "blank"],
)
async def test_a_key_that_cannot_be_sent_is_named_not_shown(wired: Case, key: str, told: str) -> None:
    assert wired.kind
    integration = Integration(
        id="on-call/x/0", kind=wired.kind, url="http://127.0.0.1:1/v2/enqueue", key=Secret(key)
    )
    pager = make_pager(integration)
    with pytest.raises(PagerError, match=told) as caught:
        await pager.send(Action.TRIGGER, PLAIN)
    assert not caught.value.retry
    assert "on-call/x/0" in caught.value.reason
    assert not key or key not in str(caught.value)
    await pager.close()


@pytest.mark.parametrize("url", ["", "events.pagerduty.com/v2/enqueue", "ftp://x/y", "http://[::1/v2"])
async def test_a_wrong_address_is_never_tried_again(wired: Case, url: str) -> None:
    assert wired.kind
    pager = make_pager(Integration(id="x", kind=wired.kind, url=url, key=Secret(KEY)))
    with pytest.raises(PagerError, match="address") as caught:
        await pager.send(Action.TRIGGER, PLAIN)
    assert not caught.value.retry
    await pager.close()


async def test_a_hanging_pager_holds_up_no_other(sandbox: RunningSandbox) -> None:
    hanging = real_case(PagerKind.PAGERDUTY, sandbox)
    working = real_case(PagerKind.OPSGENIE, sandbox)
    hanging.hang()
    stuck = [asyncio.create_task(hanging.pager.send(Action.TRIGGER, PLAIN)) for _ in range(8)]
    async with asyncio.timeout(5):
        await working.pager.send(Action.TRIGGER, PLAIN)
    assert [one.key for one in working.incidents()] == [PLAIN.dedup_key]
    results = await asyncio.gather(*stuck, return_exceptions=True)
    assert all(isinstance(result, PagerError) and result.retry for result in results)
    for case in (hanging, working):
        case.recover()
        await case.pager.close()


async def test_each_kind_has_its_pager() -> None:
    made = {
        kind: type(make_pager(Integration(id="x", kind=kind, url="http://x", key=Secret(KEY))))
        for kind in PagerKind
    }
    assert made == {PagerKind.PAGERDUTY: PagerDutyPager, PagerKind.OPSGENIE: OpsgeniePager}
