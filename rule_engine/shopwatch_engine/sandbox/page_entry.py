"""One line of an incident's timeline as HTML, its evidence set out. Pure; escapes all that came."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from html import escape
from typing import Any, Final
from urllib.parse import urlsplit

from shopwatch_engine.sandbox.incident import Entry

_HIDDEN: Final = frozenset(
    {"event_action", "dedup_key", "alias", "message", "description", "note", "details", "links", "payload"}
)
_HIDDEN_PAYLOAD: Final = frozenset({"summary", "custom_details"})
_HIDDEN_DETAILS: Final = frozenset({"evidence", "firing"})
_LINES_LIMIT: Final = 50
"""Traces, log lines or alerts that one entry shows."""


def render_entry(entry: Entry) -> str:
    """One line of the timeline: when, what, and all that came with it."""
    kind = "evidence" if entry.traces or entry.logs else entry.action
    label = f"{entry.action} with evidence" if kind == "evidence" else entry.action
    moment = datetime.fromtimestamp(entry.at, UTC)
    return (
        f'<li class="{escape(kind)}"><div class="line"><time title="{moment:%Y-%m-%d} UTC">'
        f"{moment:%H:%M:%S}.{moment.microsecond // 1000:03d}</time>"
        f'<b>{escape(label)}</b><span class="said">{escape(entry.summary)}</span></div>'
        f"{''.join(_content(entry.payload))}</li>"
    )


def _content(payload: Mapping[str, Any]) -> Iterator[str]:
    inner = _mapping(payload.get("payload"))
    custom = _mapping(inner.get("custom_details"))
    evidence = _mapping(custom.get("evidence"))
    yield _alerts(custom.get("firing"))
    yield _traces(evidence.get("traces"))
    yield _logs(evidence.get("logs"))
    yield _missing(evidence.get("missing"))
    for text in (payload.get("description"), payload.get("note")):
        yield f'<pre class="note">{escape(str(text))}</pre>' if text else ""
    details = _mapping(payload.get("details"))
    yield _links([*_rows(payload.get("links")), *_addresses(details)])
    facts = {
        **_without(payload, _HIDDEN),
        **_without(inner, _HIDDEN_PAYLOAD),
        **_without(custom, _HIDDEN_DETAILS),
        **details,
    }
    yield _facts(facts)


def _alerts(alerts: object) -> str:
    cards = []
    for alert in _rows(alerts):
        told = [alert.get(name) for name in ("summary", "description", "impact")]
        lines = "".join(f"<p>{escape(str(text))}</p>" for text in told if text)
        value = f"value {alert.get('value')}, since {alert.get('since')}"
        labels = "".join(
            f"<code>{escape(str(name))}={escape(str(text))}</code>"
            for name, text in _mapping(alert.get("labels")).items()
        )
        cards.append(
            f'<div class="alert"><h4>{escape(str(alert.get("name") or "alert"))}'
            f"<small>{escape(value)}</small></h4>{lines}"
            f'<div class="labels">{labels}</div></div>'
        )
    return "".join(cards)


def _traces(traces: object) -> str:
    rows = "".join(_trace(trace) for trace in _rows(traces))
    if not rows:
        return ""
    head = "".join(f"<th>{name}</th>" for name in ("Trace", "Service", "Request", "Took", "Spans", "Errors"))
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    return f'<h4>Traces</h4><div class="scroll">{table}</div>'


def _trace(trace: Mapping[str, Any]) -> str:
    return (
        f"<tr{_bad(trace.get('errors'))}><td><code>{escape(str(trace.get('trace_id', '')))}</code></td>"
        f"<td>{escape(str(trace.get('service', '')))}</td>"
        f"<td>{escape(str(trace.get('name', '')))}{_error(trace.get('error'))}</td>"
        f'<td class="num">{escape(_milliseconds(trace.get("duration_s")))}</td>'
        f'<td class="num">{escape(str(trace.get("spans", "")))}</td>'
        f'<td class="num">{escape(str(trace.get("errors", "")))}</td></tr>'
    )


def _logs(lines: object) -> str:
    rows = "".join(
        f'<div class="log {escape(str(line.get("severity", "")).lower())}">'
        f"<time>{escape(str(line.get('at', ''))[11:23])}</time>"
        f"<b>{escape(str(line.get('severity', '')))}</b><i>{escape(str(line.get('service', '')))}</i>"
        f"<span>{escape(str(line.get('body', '')))}</span></div>"
        for line in _rows(lines)
    )
    return f'<h4>Log lines</h4><div class="logs">{rows}</div>' if rows else ""


def _missing(reasons: object) -> str:
    told = "; ".join(str(reason) for reason in reasons) if isinstance(reasons, list) else ""
    return f'<p class="missing">Not to be had: {escape(told)}</p>' if told else ""


def _links(links: object) -> str:
    return _joined(_link(str(link.get("href", "")), str(link.get("text") or "")) for link in _rows(links))


def _addresses(details: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Those of the details that lead to a web page, as links."""
    return [
        {"href": value, "text": name}
        for name, value in details.items()
        if isinstance(value, str) and _is_web(value)
    ]


def _joined(anchors: Iterable[str]) -> str:
    inside = "".join(anchors)
    return f'<p class="links">{inside}</p>' if inside else ""


def _link(href: str, text: str) -> str:
    """A link if it leads to a web page; else its words."""
    if not _is_web(href):
        return f"<span>{escape(text or href)}</span>"
    return f'<a href="{escape(href)}" target="_blank" rel="noopener noreferrer">{escape(text or href)}</a>'


def _is_web(href: str) -> bool:
    try:
        return urlsplit(href).scheme in ("http", "https")
    except ValueError:
        return False


def _facts(facts: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<dt>{escape(str(name))}</dt><dd>{_value(value)}</dd>"
        for name, value in facts.items()
        if value not in (None, "", [], {})
    )
    return f'<details class="rest"><summary>All fields</summary><dl>{rows}</dl></details>' if rows else ""


def _value(value: object) -> str:
    if isinstance(value, str) and "\n" in value:
        return f"<pre>{escape(value)}</pre>"
    if isinstance(value, str):
        return _link(value, value) if _is_web(value) else escape(value)
    return escape(json.dumps(value, ensure_ascii=False))


def _error(error: object) -> str:
    return f'<span class="error">{escape(str(error))}</span>' if error else ""


def _bad(errors: object) -> str:
    return ' class="bad"' if isinstance(errors, int) and errors > 0 else ""


def _milliseconds(seconds: object) -> str:
    return f"{seconds * 1000:,.0f} ms" if isinstance(seconds, (int, float)) else str(seconds)


def _rows(value: object) -> list[Mapping[str, Any]]:
    items = value if isinstance(value, list) else []
    return [item for item in items[:_LINES_LIMIT] if isinstance(item, dict)]


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _without(mapping: Mapping[str, Any], names: frozenset[str]) -> dict[str, Any]:
    return {name: value for name, value in mapping.items() if name not in names}
