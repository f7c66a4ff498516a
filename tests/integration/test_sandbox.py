"""The sandbox over HTTP, and as a command in a process of its own."""

import asyncio
import io
import json
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

import aiohttp
import pytest
from yarl import URL

from shopwatch_engine.sandbox.faults import Fault, Mode
from shopwatch_engine.sandbox.server import RunningSandbox, running_sandbox

KEY = "0123456789abcdef0123456789abcdef"
TRIGGER = {
    "routing_key": KEY,
    "event_action": "trigger",
    "dedup_key": "k",
    "payload": {"summary": "<script>it broke</script>", "source": "orders", "severity": "critical"},
}
T = TypeVar("T")
GENIE = {"Authorization": "GenieKey anything"}


@pytest.fixture
async def sandbox() -> AsyncIterator[RunningSandbox]:
    async with running_sandbox(process_delay_s=0.05) as running:
        yield running


@pytest.fixture
async def http(sandbox: RunningSandbox) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(sandbox.url) as session:
        yield session


async def test_pagerduty_answers_as_documented(http: aiohttp.ClientSession) -> None:
    async with http.post("/v2/enqueue", json=TRIGGER) as answer:
        assert answer.status == 202
        assert await answer.json() == {"status": "success", "message": "Event processed", "dedup_key": "k"}
    async with http.post("/v2/enqueue", json={**TRIGGER, "routing_key": "x"}) as answer:
        assert answer.status == 400
        assert await answer.json() == {
            "status": "invalid event",
            "message": "Event object is invalid",
            "errors": ["Length of 'routing_key' is incorrect (should be 32 characters)"],
        }
    change = {"routing_key": KEY, "payload": {"summary": "deployed"}}
    async with http.post("/v2/change/enqueue", json=change) as answer:
        assert answer.status == 202
    async with http.get("/v2/enqueue") as answer:
        assert answer.status == 405


async def test_opsgenie_answers_as_documented(http: aiohttp.ClientSession) -> None:
    body = {"message": "it broke", "alias": "a/b", "details": {"x": "y"}}
    async with http.post("/v2/alerts", json=body, headers=GENIE) as answer:
        assert answer.status == 202
        accepted = await answer.json()
        assert accepted["result"] == "Request will be processed"
    path = f"/v2/alerts/requests/{accepted['requestId']}"
    async with http.get(path, headers=GENIE) as answer:
        assert answer.status == 404
    data = (await until(lambda: got(http, path), lambda outcome: "data" in outcome))["data"]
    assert (data["success"], data["isSuccess"], data["status"], data["alias"]) == (
        True,
        True,
        "Created alert",
        "a/b",
    )
    alert = (await got(http, "/v2/alerts/a%2Fb?identifierType=alias"))["data"]
    assert (alert["status"], alert["message"], alert["details"]) == ("open", "it broke", {"x": "y"})
    async with http.post(f"/v2/alerts/{data['alertId']}/acknowledge", json={}, headers=GENIE) as answer:
        assert answer.status == 202
    await until(lambda: got(http, "/v2/alerts/a%2Fb"), lambda alert: bool(alert["data"]["acknowledged"]))


async def got(http: aiohttp.ClientSession, path: str) -> dict[str, dict[str, object]]:
    # the path is encoded already: an alias may hold a slash
    async with http.get(URL(path, encoded=True), headers=GENIE) as answer:
        answered = await answer.json()
    assert isinstance(answered, dict)
    return answered


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": "Bearer x"}, 403),
        ({"Authorization": "GenieKey "}, 403),
        (GENIE, 202),
    ],
    ids=["none", "other-scheme", "empty", "genie"],
)
async def test_opsgenie_wants_a_key(
    http: aiohttp.ClientSession, headers: dict[str, str], status: int
) -> None:
    async with http.post("/v2/alerts", json={"message": "x"}, headers=headers) as answer:
        assert answer.status == status


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/v2/alerts/k/snooze", 404),
        ("GET", "/v2/alerts/nobody", 404),
        ("GET", "/v2/alerts/requests/nobody", 404),
        ("GET", "/v2/alerts/a/b/c", 404),
        ("POST", "/v2/alerts/k/notes", 422),
        ("POST", "/v2/alerts/k/close", 202),
    ],
)
async def test_opsgenies_other_paths(
    http: aiohttp.ClientSession, method: str, path: str, status: int
) -> None:
    async with http.request(method, path, headers=GENIE) as answer:
        assert answer.status == status
        assert (await answer.json())["requestId"]


async def test_controls_over_http(http: aiohttp.ClientSession) -> None:
    async with http.put("/control/pagerduty", json={"mode": "limit", "retry_after": 3}) as answer:
        assert answer.status == 200
    async with http.post("/v2/enqueue", json=TRIGGER) as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (429, "3")
    async with http.get("/control") as answer:
        assert {name: fault["mode"] for name, fault in (await answer.json()).items()} == {
            "pagerduty": "limit",
            "opsgenie": "ok",
        }
    async with http.put("/control/pagerduty", json={"mode": "explode"}) as answer:
        assert answer.status == 400
        assert "expected one of ok, fail" in (await answer.json())["error"]
    async with http.put("/control/pagerduty", data=b"{") as answer:
        assert answer.status == 400
    async with http.put("/control/jira", json={}) as answer:
        assert answer.status == 404


async def test_a_held_request_is_seen_and_processed_when_released(
    sandbox: RunningSandbox, http: aiohttp.ClientSession
) -> None:
    sandbox.set_fault("pagerduty", Fault(mode=Mode.HANG))
    sending = asyncio.create_task(status_of(http))
    await until_held(http)
    assert sandbox.incidents() == ()
    sandbox.set_fault("pagerduty", Fault())
    assert await sending == 202
    assert [one.key for one in sandbox.incidents()] == ["k"]


async def test_a_held_request_whose_sender_leaves_is_never_processed(
    sandbox: RunningSandbox, http: aiohttp.ClientSession
) -> None:
    sandbox.set_fault("pagerduty", Fault(mode=Mode.HANG))
    sending = asyncio.create_task(status_of(http))
    await until_held(http)
    sending.cancel()
    await until(lambda: requests_of(http), lambda records: not records[0]["held"])
    sandbox.set_fault("pagerduty", Fault())
    assert sandbox.incidents() == ()
    assert sandbox.sandbox.requests()[0].effect == "connection closed"


async def status_of(http: aiohttp.ClientSession) -> int:
    async with http.post("/v2/enqueue", json=TRIGGER) as answer:
        return answer.status


async def requests_of(http: aiohttp.ClientSession) -> list[dict[str, Any]]:
    async with http.get("/api/requests") as answer:
        records = await answer.json()
    assert isinstance(records, list)
    return records


async def until_held(http: aiohttp.ClientSession) -> None:
    await until(lambda: requests_of(http), lambda records: any(record["held"] for record in records))


async def until(look: Callable[[], Awaitable[T]], done: Callable[[T], bool]) -> T:
    async with asyncio.timeout(5):
        while True:
            if done(seen := await look()):
                return seen
            await asyncio.sleep(0.01)


async def test_a_reset_is_a_connection_without_an_answer(
    sandbox: RunningSandbox, http: aiohttp.ClientSession
) -> None:
    sandbox.set_fault("pagerduty", Fault(mode=Mode.RESET))
    with pytest.raises(aiohttp.ClientConnectionError):
        await status_of(http)
    assert sandbox.incidents() == ()
    async with http.get("/healthz") as answer:
        assert answer.status == 200


async def test_a_body_without_end_is_refused(http: aiohttp.ClientSession) -> None:
    async with http.post("/v2/enqueue", data=io.BytesIO(b"x" * (5 * 1024 * 1024))) as answer:
        assert answer.status == 413


async def test_the_apis_for_programs(http: aiohttp.ClientSession) -> None:
    await status_of(http)
    async with http.get("/api/incidents") as answer:
        (incident,) = await answer.json()
    assert (incident["pager"], incident["key"], incident["status"], incident["has_evidence"]) == (
        "pagerduty",
        "k",
        "triggered",
        False,
    )
    assert incident["events"][0]["payload"]["payload"]["source"] == "orders"
    assert KEY not in json.dumps(incident)
    async with http.get("/api/requests") as answer:
        (record,) = await answer.json()
    assert (record["action"], record["key"], record["effect"], record["status"]) == (
        "trigger",
        "k",
        "opened",
        202,
    )
    async with http.delete("/api/incidents") as answer:
        assert answer.status == 204
    async with http.get("/api/incidents") as answer:
        assert await answer.json() == []


async def test_the_page_and_its_forms(sandbox: RunningSandbox, http: aiohttp.ClientSession) -> None:
    await status_of(http)
    async with http.get("/") as answer:
        html = await answer.text()
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert "&lt;script&gt;it broke" in html
    assert "<script>it broke" not in html
    (incident,) = sandbox.incidents()
    action = f"/incidents/{incident.id}/acknowledge"
    assert action in html
    async with http.post(action, headers={"Origin": "https://evil.example"}) as answer:
        assert answer.status == 403
    async with http.post(action, headers={"Origin": sandbox.url}) as answer:
        assert str(answer.url) == f"{sandbox.url}/"
        assert "acknowledged" in await answer.text()
    async with http.post(f"/incidents/{incident.id}/resolve") as answer:
        assert answer.status == 200
    async with http.post(f"/incidents/{incident.id}/explode") as answer:
        assert answer.status == 404
    assert not sandbox.incidents()[0].is_open
    async with http.get("/fragment") as answer:
        assert "resolved" in await answer.text()


COMMAND = (
    "import typer; from shopwatch_engine.cli.sandbox import sandbox; "
    "app = typer.Typer(); app.command()(sandbox); app()"
)


async def started(*arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        COMMAND,
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def test_the_command_prints_its_addresses_and_ends_on_ctrl_c() -> None:
    process = await started("--listen", "127.0.0.1:0", "--json", "--rate-limit", "1")
    try:
        assert process.stdout
        async with asyncio.timeout(20):
            addresses = json.loads(await process.stdout.readline())
            async with aiohttp.ClientSession() as http:
                statuses = []
                for _ in range(2):
                    async with http.post(addresses["pagerduty_url"], json=TRIGGER) as answer:
                        statuses.append(answer.status)
                async with http.get(addresses["page"]) as answer:
                    assert answer.status == 200
            assert statuses == [202, 429]
            process.send_signal(signal.SIGINT)
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.parametrize(
    ("listen", "code", "told"),
    [
        ("nowhere", 2, "is not HOST:PORT"),
        ("127.0.0.1:99999", 2, "is not HOST:PORT"),
        ("{taken}", 1, "cannot listen on"),
    ],
    ids=["no-port", "port-too-high", "taken"],
)
async def test_the_command_says_what_is_wrong_with_an_address(
    sandbox: RunningSandbox, listen: str, code: int, told: str
) -> None:
    process = await started("--listen", listen.format(taken=sandbox.url.removeprefix("http://")))
    async with asyncio.timeout(20):
        _, err = await process.communicate()
    assert process.returncode == code
    assert told in err.decode()
