"""Opsgenie's long texts: description, notes and details, as plain text for a phone. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from shopwatch_engine.model import Evidence, LogLine, Notification, NotifiedAlert, TraceSummary
from shopwatch_engine.pagers import content
from shopwatch_engine.pagers.fitting import one_line, shortened, width

DESCRIPTION_LIMIT: Final = 15_000
NOTE_LIMIT: Final = 25_000
DETAILS_LIMIT: Final = 8_000
"""Length of all names and values together."""
DETAIL_VALUE_LIMIT: Final = 1_000
_ALERTS: Final = 300  # more never fit: an alert takes 80 characters at least
EVIDENCE_TRACES: Final = "evidence.traces"
EVIDENCE_LOGS: Final = "evidence.logs"


def description(notification: Notification) -> str:
    """Each alert with what it says, its value and since when; then the links."""
    blocks = [_alert_text(alert) for alert in notification.told[:_ALERTS]]
    blocks.append("\n".join(f"{link.text}: {link.href}" for link in content.links_of(notification)))
    return shortened("\n\n".join(block for block in blocks if block), DESCRIPTION_LIMIT)


def update_note(notification: Notification) -> str:
    """What is the case now."""
    firing = len(notification.firing)
    resolved = len(notification.alerts) - firing
    head = f"{firing} firing, {resolved} resolved: {one_line(notification.title, 300)}"
    return shortened("\n\n".join([head, *map(_alert_text, notification.told[:_ALERTS])]), NOTE_LIMIT)


def closing_note(notification: Notification) -> str:
    """That it is over, and how long it took."""
    lasted_s = max(notification.at - notification.opened_at, 0.0)
    return shortened(f"Resolved after {lasted_s:.0f} s: {one_line(notification.title, 300)}", NOTE_LIMIT)


def evidence_note(notification: Notification) -> str:
    """Traces, log lines, links, and what could not be had; without evidence, what is the case now."""
    evidence = notification.evidence
    if evidence is None:
        return update_note(notification)
    return shortened("\n".join(_evidence_lines(evidence)), NOTE_LIMIT)


def details_of(notification: Notification, configured: Mapping[str, str]) -> dict[str, str]:
    """The alert's custom properties: links and evidence first, then labels, as far as they fit."""
    links = {link.text: link.href for link in content.links_of(notification)}
    return _fitting(
        [
            *configured.items(),
            *_evidence_details(notification.evidence),
            *links.items(),
            *notification.common_labels,
        ]
    )


def _alert_text(alert: NotifiedAlert) -> str:
    facts = content.alert_facts(alert)
    told = [str(facts[name]) for name in ("summary", "description") if name in facts]
    if "impact" in facts:
        told.append(f"Impact: {facts['impact']}")
    told.append(f"Value: {facts['value']}, since {facts['since']}")
    told.append(f"Labels: {one_line(str(alert.labels), content.VALUE_LIMIT)}")
    return "\n".join(told)


def _evidence_lines(evidence: Evidence) -> Iterator[str]:
    yield f"Evidence gathered at {content.timestamp(evidence.gathered_at)}"
    if evidence.traces:
        yield from ("", "Traces:", *map(_trace_line, evidence.traces))
    if evidence.logs:
        yield from ("", "Log lines:", *map(_log_line, evidence.logs))
    if evidence.links:
        links = (f"{one_line(link.text, 100)}: {one_line(link.href, 2048)}" for link in evidence.links)
        yield from ("", *links)
    if evidence.missing:
        yield from ("", *(f"Not to be had: {one_line(reason, 500)}" for reason in evidence.missing))


def _trace_line(trace: TraceSummary) -> str:
    what = f"{trace.trace_id}  {trace.service} {trace.name}, {trace.duration_s:.3f} s"
    error = f": {trace.error}" if trace.error else ""
    return one_line(f"{what}, {trace.spans} spans, {trace.errors} errors{error}", 1000)


def _log_line(line: LogLine) -> str:
    trace = f"  trace_id={line.trace_id}" if line.trace_id else ""
    said = f"{content.timestamp(line.at)} {line.severity_text} {line.service}: {line.body}"
    return one_line(said, 1000) + trace


def _evidence_details(evidence: Evidence | None) -> Iterator[tuple[str, str]]:
    if evidence and evidence.traces:
        yield EVIDENCE_TRACES, ", ".join(trace.trace_id for trace in evidence.traces)
    if evidence and evidence.logs:
        yield EVIDENCE_LOGS, f"{len(evidence.logs)} lines, see the note"


def _fitting(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Of the pairs, first come first kept, what the limit of all details together holds."""
    kept: dict[str, str] = {}
    left = DETAILS_LIMIT
    for name, value in pairs:
        name_kept, value_kept = one_line(name, 100), shortened(value, DETAIL_VALUE_LIMIT)
        size = width(name_kept) + width(value_kept)
        if name_kept and size <= left and name_kept not in kept:
            kept[name_kept] = value_kept
            left -= size
    return kept
