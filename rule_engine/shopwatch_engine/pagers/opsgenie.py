"""Opsgenie, Alert API v2, through requests.

Opsgenie answers 202 before it has done anything, and may still discard the request. So a call counts as
taken only once ``GET /v2/alerts/requests/{id}`` says that it was processed.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

import requests

from shopwatch_engine.clock import Clock, SystemClock
from shopwatch_engine.exceptions import PagerError
from shopwatch_engine.model import Action, Integration, Notification, Secret, Severity
from shopwatch_engine.pagers import content, opsgenie_text
from shopwatch_engine.pagers.answer import is_taken, quoted, refusal, unreachable, usable_key
from shopwatch_engine.pagers.fitting import fitted_key, one_line, shortened
from shopwatch_engine.pagers.threads import PagerThreads

VENDOR: Final = "Opsgenie"
MESSAGE_LIMIT: Final = 130
ALIAS_LIMIT: Final = 512
ENTITY_LIMIT: Final = 512
SOURCE_LIMIT: Final = 100
TAG_LIMIT: Final = 50
TAG_COUNT: Final = 20
PRIORITIES: Final[Mapping[Severity, str]] = {
    Severity.CRITICAL: "P1",
    Severity.ERROR: "P2",
    Severity.WARNING: "P3",
    Severity.INFO: "P5",
}
DETAIL_PREFIX: Final = "details."
"""Templates named so become entries of the alert's details."""
GONE: Final = ("alert does not exist", "already closed")
"""What a request's status says, in lower case, when there is no open alert of the alias."""
FINAL: Final = (*GONE, "not authorized", "invalid")
"""Pieces of a discarded request's status after which the same request can only be discarded again."""

_UNREADABLE: Final = (requests.codes.unauthorized, requests.codes.forbidden)
_CANNOT_VERIFY: Final = (
    "may create alerts but not read what became of them, so no page is verified: give it read access"
)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpsgenieCall:
    """One call: the path under ``/v2/alerts``, query included, and its body."""

    path: str
    body: Mapping[str, object]
    done_if_gone: bool = False  # nothing is left to do when there is no such alert, or it is closed


def render(
    action: Action, notification: Notification, templates: Mapping[str, str]
) -> tuple[OpsgenieCall, ...]:
    """The calls that tell Opsgenie, in order, each within every documented limit.

    An update is a create, which counts up while the alert is open and opens it again if a person closed
    what still fires, and a note. Evidence is details and a note. A resolve closes.

    Args:
        action: what Opsgenie is asked to do.
        notification: what there is to say.
        templates: texts of the configuration under Alertmanager's names: message, description, source,
            entity, priority, tags (comma-separated), note, ``details.<name>``.
    """
    alias = fitted_key(notification.dedup_key, ALIAS_LIMIT)
    source = {"source": _source(notification, templates)}
    match action:
        case Action.TRIGGER:
            return (_create(alias, notification, templates),)
        case Action.UPDATE:
            note = opsgenie_text.update_note(notification)
            update = _create(alias, notification, templates)
            return (update, _add_details(alias, notification, templates, note))
        case Action.EVIDENCE:
            note = opsgenie_text.evidence_note(notification)
            return (_add_details(alias, notification, templates, note),)
        case Action.RESOLVE:
            body = {**source, "note": opsgenie_text.closing_note(notification)}
            return (OpsgenieCall(path=_path(alias, "close"), body=body, done_if_gone=True),)


def _create(alias: str, notification: Notification, templates: Mapping[str, str]) -> OpsgenieCall:
    def text(name: str, default: str) -> str:
        return content.expanded(templates, name, notification, default)

    body: dict[str, object] = {
        "message": one_line(text("message", notification.title), MESSAGE_LIMIT) or "alert without a name",
        "alias": alias,
        "description": shortened(
            text("description", opsgenie_text.description(notification)), opsgenie_text.DESCRIPTION_LIMIT
        ),
        "priority": _priority(notification, templates),
        "source": _source(notification, templates),
        "entity": one_line(text("entity", content.source_of(notification)), ENTITY_LIMIT),
        "tags": _tags(notification, templates),
        "details": _details(notification, templates),
    }
    if note := text("note", ""):
        body["note"] = shortened(note, opsgenie_text.NOTE_LIMIT)
    return OpsgenieCall(path="", body=body)


def _add_details(
    alias: str, notification: Notification, templates: Mapping[str, str], note: str
) -> OpsgenieCall:
    details = _details(notification, templates)
    details = details or {"receiver": one_line(notification.receiver, 100) or "none"}  # never empty
    body = {"details": details, "note": note, "source": _source(notification, templates)}
    return OpsgenieCall(path=_path(alias, "details"), body=body)


def _path(alias: str, verb: str) -> str:
    return f"/{quote(alias, safe='')}/{verb}?identifierType=alias"


def _source(notification: Notification, templates: Mapping[str, str]) -> str:
    return one_line(content.expanded(templates, "source", notification, content.CLIENT), SOURCE_LIMIT)


def _priority(notification: Notification, templates: Mapping[str, str]) -> str:
    """The configured priority if Opsgenie has it, else that of the alerts' severity."""
    default = PRIORITIES[notification.severity]
    wanted = content.expanded(templates, "priority", notification, default).upper()
    return wanted if wanted in {"P1", "P2", "P3", "P4", "P5"} else default


def _tags(notification: Notification, templates: Mapping[str, str]) -> list[str]:
    told = notification.told
    service = content.first_of(told[0].labels, content.SERVICE_LABELS) if told else ""
    default = ",".join((content.class_of(notification), notification.severity.value, service))
    words = content.expanded(templates, "tags", notification, default).split(",")
    tags = dict.fromkeys(one_line(word, TAG_LIMIT) for word in words)
    return [tag for tag in tags if tag][:TAG_COUNT]


def _details(notification: Notification, templates: Mapping[str, str]) -> dict[str, str]:
    names = (name for name in templates if name.startswith(DETAIL_PREFIX))
    configured = {
        name.removeprefix(DETAIL_PREFIX): content.expanded(templates, name, notification, "")
        for name in names
    }
    return opsgenie_text.details_of(notification, configured)


# ---------------------------------------------------------------- sending
class OpsgeniePager:
    """One Opsgenie integration.

    Args:
        integration: address (``https://api.opsgenie.com``), key, texts.
        threads: how many pages may be on their way at once.
        timeout_s: seconds to wait for the connection, and again for each answer.
        verify_s: seconds to go on asking what became of an accepted request.
        clock: tells how far away a ``Retry-After`` date is.
        sleep: waits some seconds, in the pager's own thread.
        monotonic: seconds of a clock that never jumps, for ``verify_s``.
    """

    def __init__(
        self,
        integration: Integration,
        *,
        threads: int = 4,
        timeout_s: float = 10.0,
        verify_s: float = 10.0,
        clock: Clock | None = None,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._integration = integration
        self._timeout_s = timeout_s
        self._verify_s = verify_s
        self._clock = clock or SystemClock()
        self._sleep = sleep
        self._monotonic = monotonic
        self._alerts = _alerts_url(integration.url)
        # an update is two calls, each: connect, answer, verify, and the last look that began in time
        self._threads = PagerThreads(VENDOR, count=threads, patience_s=2 * (4 * timeout_s + verify_s) + 1)

    async def send(self, action: Action, notification: Notification) -> None:
        """Tell Opsgenie; returns once it has processed what was asked.

        Raises:
            PagerError: refused, discarded, or of unknown outcome; says whether trying again can help.
        """
        templates = self._integration.templates
        await self._threads.run(lambda: self._make(render(action, notification, templates)))

    async def close(self) -> None:
        """Let running sends end, and the threads with them."""
        await self._threads.close()

    def _make(self, calls: tuple[OpsgenieCall, ...]) -> None:
        key = usable_key(VENDOR, self._integration)
        try:
            with requests.Session() as session:
                session.auth = _GenieKey(key)
                for call in calls:
                    self._call(session, call)
        except requests.RequestException as error:
            raise unreachable(VENDOR, error, self._timeout_s) from None

    def _call(self, session: requests.Session, call: OpsgenieCall) -> None:
        response = session.post(
            self._alerts + call.path, json=call.body, timeout=self._timeout_s, allow_redirects=False
        )
        if response.status_code == requests.codes.not_found and call.done_if_gone:
            return
        if not is_taken(response.status_code):
            raise self._refusal(response)
        self._verify(session, _request_id(response, self._integration.key), call)

    def _verify(self, session: requests.Session, request_id: str, call: OpsgenieCall) -> None:
        """Ask what became of a request until Opsgenie says, for ``verify_s`` at most."""
        deadline = self._monotonic() + self._verify_s
        url = f"{self._alerts}/requests/{quote(request_id, safe='')}"
        for pause_s in _pauses():
            self._sleep(pause_s)
            response = session.get(url, timeout=self._timeout_s, allow_redirects=False)
            if response.status_code in _UNREADABLE:
                _log.warning("%s: the key of %s %s", VENDOR, self._integration.id, _CANNOT_VERIFY)
                break
            if (outcome := _outcome(response)) is not None:
                self._judge(outcome, call)
                break
            if self._monotonic() >= deadline:
                reason = f"{VENDOR} took a request but had not processed it after {self._verify_s:g} s"
                raise PagerError(reason, retry=True)

    def _judge(self, outcome: Mapping[str, object], call: OpsgenieCall) -> None:
        if outcome["isSuccess"]:
            return
        status = str(outcome.get("status", ""))
        if call.done_if_gone and _says(status, GONE):
            return
        reason = f"{VENDOR} discarded a request that it had taken: {quoted(status, self._integration.key)}"
        raise PagerError(reason, retry=not _says(status, FINAL))

    def _refusal(self, response: requests.Response) -> PagerError:
        return refusal(VENDOR, response, self._integration.key, self._clock.now())


class _GenieKey(requests.auth.AuthBase):
    """The key as Opsgenie wants it; as requests' own ``auth`` it also keeps a netrc file's away."""

    def __init__(self, key: str) -> None:
        self._header = f"GenieKey {key}"

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = self._header
        return request


def _alerts_url(url: str) -> str:
    """The address of the alerts, from the API's (as Alertmanager's ``api_url``) or from its own."""
    base = url.rstrip("/")
    return base if base.endswith("/v2/alerts") else f"{base}/v2/alerts"


def _request_id(response: requests.Response, key: Secret) -> str:
    try:
        answer = response.json()
    except requests.JSONDecodeError:
        answer = None
    request_id = answer.get("requestId") if isinstance(answer, dict) else None
    if not isinstance(request_id, str) or not request_id:
        said = quoted(response.text, key)
        raise PagerError(
            f"{VENDOR} answered {response.status_code}, but not as Opsgenie does: {said}", retry=True
        )
    return request_id


def _outcome(response: requests.Response) -> Mapping[str, object] | None:
    """What became of the request; None while that is not known (404, a limit, an error, half an answer)."""
    if not is_taken(response.status_code):
        return None
    try:
        answer = response.json()
    except requests.JSONDecodeError:
        return None
    data = answer.get("data") if isinstance(answer, dict) else None
    return data if isinstance(data, dict) and isinstance(data.get("isSuccess"), bool) else None


def _says(status: str, pieces: tuple[str, ...]) -> bool:
    return any(piece in status.lower() for piece in pieces)


def _pauses() -> Iterator[float]:
    """Seconds to wait before each look: 0.1, doubling to 1.6."""
    pause_s = 0.1
    while True:
        yield pause_s
        pause_s = min(2 * pause_s, 1.6)
