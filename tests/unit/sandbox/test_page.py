import json
import re

import pytest

from shopwatch_engine.model import Action
from shopwatch_engine.pagers import opsgenie, pagerduty
from shopwatch_engine.sandbox.board import Board
from shopwatch_engine.sandbox.faults import Fault, Mode
from shopwatch_engine.sandbox.incident import SandboxIncident
from shopwatch_engine.sandbox.opsgenie import Command, parse_create
from shopwatch_engine.sandbox.page import HEADERS, SHOWN, render, render_board
from shopwatch_engine.sandbox.pagerduty import Event
from shopwatch_engine.testing.notifications import sample_alert, sample_evidence, sample_notification

OK = {"pagerduty": Fault(), "opsgenie": Fault()}
ADDRESS = "http://127.0.0.1:8025"
NASTY = "<script>alert(1)</script>\"'&"


def incidents_of(*contents: dict[str, object]) -> tuple[SandboxIncident, ...]:
    board = Board()
    for number, content in enumerate(contents):
        board.take(
            Event(routing_key="k" * 32, action="trigger", dedup_key=str(number), content=content),
            float(number),
        )
    return board.incidents(100.0)


def page_of(*contents: dict[str, object]) -> str:
    return render(incidents_of(*contents), OK, address=ADDRESS)


def test_an_empty_page_says_how_to_point_an_engine_at_it() -> None:
    html = render((), OK, address=ADDRESS)
    assert "No incident yet" in html
    assert f"url: {ADDRESS}/v2/enqueue" in html
    assert f"api_url: {ADDRESS}/" in html


def test_a_page_shows_title_severity_status_and_evidence() -> None:
    page = sample_notification(evidence=sample_evidence())
    html = page_of(pagerduty.render(Action.EVIDENCE, page, {}))
    for told in (
        "orders: 42 % of requests fail",
        '<span class="severity">critical</span>',
        '<span class="pill triggered">triggered</span>',
        "PagerDuty",
        "<h4>Traces</h4>",
        "1,250 ms",
        "<h4>Log lines</h4>",
        "order 2 failed: database is locked",
        'href="https://jaeger.example/trace/1"',
        'action="/incidents/pd-1/acknowledge"',
    ):
        assert told in html


def test_an_opsgenie_alert_shows_note_and_links() -> None:
    (call,) = opsgenie.render(Action.TRIGGER, sample_notification(evidence=sample_evidence()), {})
    command = parse_create(json.dumps(call.body).encode(), new_alias="x")
    assert isinstance(command, Command)
    board = Board(process_delay_s=0)
    board.accept(command, key="k", at=1.0)
    html = render(board.incidents(1.0), OK, address=ADDRESS)
    assert '<span class="severity">P1</span>' in html
    assert "Impact: Customers cannot pay." in html
    assert 'href="https://runbooks.example/HighErrorRate"' in html


def test_nothing_that_came_is_markup() -> None:
    nasty_alert = sample_alert(
        NASTY, service=NASTY, labels={NASTY: NASTY}, annotations={"summary": NASTY, "description": NASTY}
    )
    event = pagerduty.render(Action.TRIGGER, sample_notification(nasty_alert), {"details.x": NASTY})
    event[NASTY] = {NASTY: [NASTY]}
    event["payload"]["custom_details"]["evidence"] = {
        "traces": [
            dict.fromkeys(("trace_id", "service", "name", "error", "duration_s", "spans", "errors"), NASTY)
        ],
        "logs": [dict.fromkeys(("at", "service", "severity", "body"), NASTY)],
        "missing": [NASTY],
    }
    event["links"] = [{"href": "https://x.example/\"onclick='", "text": NASTY}]
    event["note"] = NASTY
    html = page_of(event)
    assert "alert(1)" in html
    assert html.count("<script") == 1  # the page's own
    assert not re.search(r'href="[^"]*"on', html)


@pytest.mark.parametrize("href", ["javascript:alert(1)", "data:text/html,x", "//evil.example", "http://[::1"])
def test_only_web_addresses_become_links(href: str) -> None:
    event = pagerduty.render(Action.TRIGGER, sample_notification(), {})
    event["links"] = [{"href": href, "text": "look"}]
    event["payload"]["custom_details"] = {"x": href}
    html = page_of(event)
    assert "<span>look</span>" in html
    assert f'href="{href}' not in html


@pytest.mark.parametrize(
    "content",
    [
        {"payload": {"summary": "x", "severity": "odd", "custom_details": "text"}},
        {"payload": {"summary": "x", "severity": "info", "custom_details": {"firing": "x", "evidence": []}}},
        {"payload": {"summary": "x", "severity": "info", "custom_details": {"firing": [1, {"labels": 3}]}}},
        {"payload": {"summary": "x", "severity": "info"}, "links": {"a": 1}, "details": [1], "note": 7},
    ],
)
def test_odd_shapes_are_shown_not_stumbled_over(content: dict[str, object]) -> None:
    assert '<span class="title">x</span>' in page_of(content)


def test_a_long_list_ends_with_where_the_rest_is() -> None:
    content: dict[str, object] = {"payload": {"summary": "x", "severity": "info"}}
    html = page_of(*[content] * (SHOWN + 7))
    assert html.count("<article") == SHOWN
    assert "7 older ones" in html


@pytest.mark.parametrize("mode", [mode for mode in Mode if mode is not Mode.OK])
def test_a_fault_is_told(mode: Mode) -> None:
    html = render_board((), {"pagerduty": Fault(mode=mode)}, address=ADDRESS)
    assert "was told to misbehave" in html


def test_nothing_is_loaded_from_elsewhere() -> None:
    html = render((), OK, address=ADDRESS)
    assert not re.search(r'(src|href)="(https?:)?//', html)
    assert HEADERS["Content-Security-Policy"].startswith("default-src 'none'")


def test_a_browser_names_the_pages_origin_when_a_form_is_sent() -> None:
    # with "no-referrer" it would send "Origin: null", and acknowledging by hand would be refused
    assert HEADERS["Referrer-Policy"] == "same-origin"
