"""The sandbox's page: every incident with its timeline and evidence, as HTML. Pure.

Whatever came over the wire is escaped; links lead to http and https only; nothing is loaded from
elsewhere, and the page's own policy forbids it.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from importlib.resources import files
from typing import Final

from shopwatch_engine.sandbox.faults import Fault, Mode
from shopwatch_engine.sandbox.incident import SandboxIncident, Status
from shopwatch_engine.sandbox.page_entry import render_entry

SHOWN: Final = 200
"""Incidents on the page; the API has the rest."""
_STYLE: Final = files(__package__).joinpath("page.css").read_text("utf-8")
_SCRIPT: Final = files(__package__).joinpath("page.js").read_text("utf-8")
_SCRIPT_HASH: Final = base64.b64encode(hashlib.sha256(_SCRIPT.encode()).digest()).decode()
HEADERS: Final[Mapping[str, str]] = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{_SCRIPT_HASH}'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
_NAMES: Final = {"pagerduty": "PagerDuty", "opsgenie": "Opsgenie"}
_SEVERITY_CLASSES: Final = {
    "critical": "critical",
    "P1": "critical",
    "error": "error",
    "P2": "error",
    "warning": "warning",
    "P3": "warning",
    "P4": "info",
    "P5": "info",
    "info": "info",
}
_FAULT_WORDS: Final = {
    Mode.FAIL: "answers every request with {status}",
    Mode.HANG: "hangs: it neither answers nor processes",
    Mode.SLOW: "answers after {seconds:g} s",
    Mode.RESET: "closes each connection without an answer",
    Mode.LIMIT: "answers 429, too many requests",
    Mode.REFUSE: "refuses every request with 400",
    Mode.DISCARD: "accepts every request, then discards it",
}


def render(incidents: Sequence[SandboxIncident], faults: Mapping[str, Fault], *, address: str) -> str:
    """The whole page.

    Args:
        incidents: newest first.
        faults: what each pager was told to do, by its name.
        address: where an engine reaches the sandbox.
    """
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<link rel="icon" href="data:,">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{_open_count(incidents)} open - pager sandbox</title>"
        f"<style>{_STYLE}</style></head><body>"
        '<header class="top"><div class="wrap"><h1>Pager sandbox</h1>'
        "<p>PagerDuty and Opsgenie to practise on. Nobody is woken.</p></div></header>"
        f'<main class="wrap" id="board">{render_board(incidents, faults, address=address)}</main>'
        f"<script>{_SCRIPT}</script></body></html>"
    )


def render_board(incidents: Sequence[SandboxIncident], faults: Mapping[str, Fault], *, address: str) -> str:
    """What changes: counts, faults, incidents."""
    shown = incidents[:SHOWN]
    parts = [_counts(incidents), *_fault_notes(faults)]
    parts += [_incident(incident) for incident in shown] or [_empty(address)]
    if len(incidents) > len(shown):
        rest = len(incidents) - len(shown)
        parts.append(f'<p class="more">{rest} older ones at <a href="/api/incidents">/api/incidents</a></p>')
    return "".join(parts)


def _open_count(incidents: Sequence[SandboxIncident]) -> int:
    return sum(incident.is_open for incident in incidents)


def _counts(incidents: Sequence[SandboxIncident]) -> str:
    numbers = {status: sum(one.status is status for one in incidents) for status in Status}
    cells = (
        f'<div class="count {status.value if number else ""}"><b>{number}</b>'
        f"<span>{status.value}</span></div>"
        for status, number in numbers.items()
    )
    return f'<section class="counts" data-open="{_open_count(incidents)}">{"".join(cells)}</section>'


def _fault_notes(faults: Mapping[str, Fault]) -> Iterator[str]:
    for pager, fault in faults.items():
        if words := _FAULT_WORDS.get(fault.mode):
            told = words.format(status=fault.status, seconds=fault.seconds)
            yield f'<p class="fault"><b>{_NAMES[pager]}</b> was told to misbehave: it {told}.</p>'


def _empty(address: str) -> str:
    base = escape(address)
    config = (
        "receivers:\n"
        "  - name: on-call\n"
        "    pagerduty_configs:\n"
        "      - routing_key: 0123456789abcdef0123456789abcdef\n"
        f"        url: {base}/v2/enqueue\n"
        "    opsgenie_configs:\n"
        "      - api_key: any-key-will-do\n"
        f"        api_url: {base}/"
    )
    return (
        '<section class="empty"><h2>All quiet</h2>'
        "<p>No incident yet. Point an engine here with these addresses in its routing file:</p>"
        f"<pre>{config}</pre>"
        "<p>A routing key is any 32 letters and digits; an API key is anything.</p></section>"
    )


def _incident(incident: SandboxIncident) -> str:
    severity = _SEVERITY_CLASSES.get(incident.severity, "info")
    return (
        f'<article class="incident {severity} {incident.status.value}" id="{escape(incident.id)}">'
        f"<details><summary>{_headline(incident)}</summary>"
        f'<dl class="keys"><dt>Key</dt><dd><code>{escape(incident.key)}</code></dd>'
        f"<dt>Account</dt><dd><code>{escape(incident.account)}</code></dd>"
        f"<dt>Opened</dt><dd>{_clock_time(incident.opened_at)}</dd>{_resolved_at(incident)}</dl>"
        f'<ol class="timeline">{"".join(render_entry(entry) for entry in reversed(incident.events))}</ol>'
        f"</details>{_actions(incident)}</article>"
    )


def _headline(incident: SandboxIncident) -> str:
    count = len(incident.events)
    events = f'<span class="tag">{count} event{"s" if count > 1 else ""}</span>'
    evidence = '<span class="tag evidence">evidence</span>' if incident.has_evidence else ""
    return (
        f'<span class="pill {incident.status.value}">{incident.status.value}</span>'
        f'<span class="title">{escape(incident.title)}</span>'
        f'<span class="meta"><span class="severity">{escape(incident.severity)}</span>'
        f'<span class="pager">{_NAMES[incident.pager]}</span>{_age(incident)}{events}{evidence}</span>'
    )


def _age(incident: SandboxIncident) -> str:
    if incident.resolved_at is None:
        return f'<span class="age" data-since="{incident.opened_at:.3f}"></span>'
    lasted_s = max(incident.resolved_at - incident.opened_at, 0.0)
    return f'<span class="age">lasted {_duration(lasted_s)}</span>'


def _resolved_at(incident: SandboxIncident) -> str:
    if incident.resolved_at is None:
        return ""
    return f"<dt>Resolved</dt><dd>{_clock_time(incident.resolved_at)}</dd>"


def _actions(incident: SandboxIncident) -> str:
    verbs = {Status.TRIGGERED: ("acknowledge", "resolve"), Status.ACKNOWLEDGED: ("resolve",)}
    forms = (
        f'<form method="post" action="/incidents/{escape(incident.id)}/{verb}">'
        f'<button class="{verb}">{verb.capitalize()}</button></form>'
        for verb in verbs.get(incident.status, ())
    )
    inside = "".join(forms)
    return f'<div class="actions">{inside}</div>' if inside else ""


def _clock_time(at: float) -> str:
    return f"<time>{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S} UTC</time>"


def _duration(seconds: float) -> str:
    """A length of time in its two largest units."""
    whole = int(seconds)
    for size, big, divisor, small in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            return f"{whole // size} {big} {whole % size // divisor} {small}"
    return f"{seconds:.1f} s"
