"""PagerDuty, Events API v2, through pdpyras.

The client's own retries are off. Left alone it waits for ever on a 429 and puts the end of the key into
the message of a 401, so every answer outside 2xx is judged here, before the client sees it.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping
from typing import Any, Final

import requests

from shopwatch_engine.clock import Clock, SystemClock
from shopwatch_engine.exceptions import PagerError
from shopwatch_engine.model import Action, Integration, Notification, Severity
from shopwatch_engine.pagers import content
from shopwatch_engine.pagers.answer import is_taken, quoted, refusal, unreachable, usable_key
from shopwatch_engine.pagers.fitting import fitted_key, one_line, shortened, web_address
from shopwatch_engine.pagers.threads import PagerThreads

with warnings.catch_warnings():
    # It announces its own deprecation on import; that is known, and no news to who runs an engine.
    warnings.filterwarnings("ignore", message='The package "pdpyras" is deprecated', category=UserWarning)
    from pdpyras import EventsAPISession, PDClientError

VENDOR: Final = "PagerDuty"
SUMMARY_LIMIT: Final = 1024
DEDUP_KEY_LIMIT: Final = 255
FIELD_LIMIT: Final = 255  # none is documented; these are shown as a word or two
LINK_LIMIT: Final = 20  # none is documented; more than anyone follows
EVENT_LIMIT: Final = 512_000 - 1024
"""Bytes of JSON: the documented 512 KB in the smaller of its two meanings, less room for the key."""
DETAIL_PREFIX: Final = "details."
"""Templates named so become entries of custom_details."""

Json = dict[str, Any]


def render(action: Action, notification: Notification, templates: Mapping[str, str]) -> Json:
    """The event, without its routing key, within every documented limit.

    Evidence and updates are trigger events with the same key: PagerDuty adds them to the open incident.

    Args:
        action: what PagerDuty is asked to do.
        notification: what there is to say.
        templates: texts of the configuration under Alertmanager's names: description, severity, source,
            component, group, class, client, client_url, ``details.<name>``.
    """
    dedup_key = fitted_key(notification.dedup_key, DEDUP_KEY_LIMIT)
    if action is Action.RESOLVE:
        return {"event_action": "resolve", "dedup_key": dedup_key}
    links = content.links_of(notification)[:LINK_LIMIT]
    event: Json = {
        "event_action": "trigger",
        "dedup_key": dedup_key,
        "payload": _payload(notification, templates),
        "links": [{"href": link.href, "text": link.text} for link in links],
        "client": _field(templates, "client", notification, content.CLIENT),
    }
    client_url = content.expanded(templates, "client_url", notification, notification.external_url)
    if address := web_address(client_url):
        event["client_url"] = address
    return _within_limit(event)


def _payload(notification: Notification, templates: Mapping[str, str]) -> Json:
    told = notification.told
    labels = told[0].labels if told else notification.group_labels
    title = content.expanded(templates, "description", notification, notification.title)
    fields = {
        "component": content.first_of(labels, content.COMPONENT_LABELS),
        "group": content.first_of(labels, content.GROUP_LABELS),
        "class": content.class_of(notification),
    }
    source = _field(templates, "source", notification, content.source_of(notification))
    rendered = {name: _field(templates, name, notification, default) for name, default in fields.items()}
    return {
        "summary": one_line(title, SUMMARY_LIMIT) or "alert without a name",
        "severity": _severity(notification, templates),
        "source": source or content.CLIENT,
        "timestamp": content.timestamp(content.first_start(notification)),
        **{name: text for name, text in rendered.items() if text},
        "custom_details": _details(notification, templates),
    }


def _field(templates: Mapping[str, str], name: str, notification: Notification, default: str) -> str:
    return one_line(content.expanded(templates, name, notification, default), FIELD_LIMIT)


def _severity(notification: Notification, templates: Mapping[str, str]) -> str:
    """The configured severity if it is one of PagerDuty's, else the alerts' own."""
    default = notification.severity.value
    wanted = content.expanded(templates, "severity", notification, default).lower()
    return wanted if wanted in {severity.value for severity in Severity} else default


def _details(notification: Notification, templates: Mapping[str, str]) -> Json:
    firing = len(notification.firing)
    configured = {
        one_line(name.removeprefix(DETAIL_PREFIX), FIELD_LIMIT): shortened(
            content.expanded(templates, name, notification, ""), content.VALUE_LIMIT
        )
        for name in templates
        if name.startswith(DETAIL_PREFIX)
    }
    details: Json = {
        **configured,
        "firing": [content.alert_facts(alert) for alert in notification.told[: content.ALERT_LIMIT]],
        "num_firing": firing,
        "num_resolved": len(notification.alerts) - firing,
    }
    if len(notification.told) > content.ALERT_LIMIT:
        details["left_out"] = f"all alerts but {content.ALERT_LIMIT}"
    addresses = {
        "runbook": content.annotation_address(notification, content.RUNBOOK_ANNOTATIONS),
        "dashboard": content.annotation_address(notification, content.DASHBOARD_ANNOTATIONS),
    }
    details.update({name: address for name, address in addresses.items() if address})
    if notification.evidence:
        details["evidence"] = content.evidence_facts(notification.evidence)
    return details


# ---------------------------------------------------------------- the whole event's limit
def _within_limit(event: Json) -> Json:
    """The event with as little left out as its limit asks: log lines first, alerts last."""
    details = event["payload"]["custom_details"]
    for leave_out in (None, *_SACRIFICES):
        if leave_out is not None:
            details = {**leave_out[1](details), "left_out": leave_out[0]}
        fitted = {**event, "payload": {**event["payload"], "custom_details": details}}
        if len(json.dumps(fitted)) <= EVENT_LIMIT:
            return fitted
    return {**event, "payload": {**event["payload"], "custom_details": {}}, "links": []}


def _without_logs(details: Json) -> Json:
    return _with_evidence(details, logs=[])


def _without_traces(details: Json) -> Json:
    return _with_evidence(details, traces=[])


def _with_evidence(details: Json, **changed: object) -> Json:
    evidence = details.get("evidence")
    return {**details, "evidence": {**evidence, **changed}} if evidence else details


def _with_bare_alerts(details: Json) -> Json:
    return {**details, "firing": [{name: alert[name] for name in _BARE} for alert in details["firing"]]}


def _with_few_alerts(details: Json) -> Json:
    return {**details, "firing": details["firing"][:20]}


def _with_counts_only(details: Json) -> Json:
    return {name: details[name] for name in _LAST if name in details}


_BARE: Final = ("name", "value", "since")
_LAST: Final = ("num_firing", "num_resolved", "runbook", "dashboard")
_SACRIFICES: Final[tuple[tuple[str, Callable[[Json], Json]], ...]] = (
    ("log lines", _without_logs),
    ("log lines, traces", _without_traces),
    ("log lines, traces, labels and annotations", _with_bare_alerts),
    ("log lines, traces, labels and annotations, all alerts but 20", _with_few_alerts),
    ("everything but the counts", _with_counts_only),
)


# ---------------------------------------------------------------- sending
class PagerDutyPager:
    """One PagerDuty integration. Each send is one HTTP request on a connection of its own.

    Args:
        integration: address (the whole of it, ``.../v2/enqueue``), routing key, texts.
        threads: how many events may be on their way at once.
        timeout_s: seconds to wait for the connection, and again for the answer.
        clock: tells how far away a ``Retry-After`` date is.
    """

    def __init__(
        self,
        integration: Integration,
        *,
        threads: int = 4,
        timeout_s: float = 10.0,
        clock: Clock | None = None,
    ) -> None:
        self._integration = integration
        self._timeout_s = timeout_s
        self._clock = clock or SystemClock()
        self._threads = PagerThreads(VENDOR, count=threads, patience_s=2 * timeout_s + 1)

    async def send(self, action: Action, notification: Notification) -> None:
        """Send one event; returns once PagerDuty has taken it.

        Raises:
            PagerError: it was not taken; the error says whether trying again can help.
        """
        templates = self._integration.templates
        await self._threads.run(lambda: self._post(render(action, notification, templates)))

    async def close(self) -> None:
        """Let running sends end, and the threads with them."""
        await self._threads.close()

    def _post(self, event: Json) -> None:
        try:
            with self._session(usable_key(VENDOR, self._integration)) as session:
                response = session.post(self._integration.url, json=event)
        except (PDClientError, requests.RequestException) as error:
            raise unreachable(VENDOR, _cause(error), self._timeout_s) from None
        if not _is_taken_event(response):
            said = quoted(response.text, self._integration.key)
            raise PagerError(
                f"{VENDOR} answered {response.status_code}, but not as PagerDuty does: {said}", retry=True
            )

    def _session(self, key: str) -> EventsAPISession:
        session = EventsAPISession(key)
        session.url = self._integration.url
        session.timeout = self._timeout_s
        session.retry = {}
        session.max_network_attempts = 0
        session.hooks["response"].append(self._judge)
        return session

    def _judge(self, response: requests.Response, **_: object) -> None:
        """Called by requests with each answer, before a redirect is followed or pdpyras looks."""
        if not is_taken(response.status_code):
            error = refusal(VENDOR, response, self._integration.key, self._clock.now())
            response.close()
            raise error


def _cause(error: Exception) -> Exception:
    """What requests raised under pdpyras' own error."""
    cause = error.__cause__
    return cause if isinstance(cause, Exception) else error


def _is_taken_event(response: requests.Response) -> bool:
    """Whether it is PagerDuty's answer, not that of a proxy on the way."""
    try:
        answer = response.json()
    except requests.JSONDecodeError:
        return False
    return isinstance(answer, dict) and answer.get("status") == "success"
