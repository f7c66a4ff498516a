"""What a routing file may say: the part of Alertmanager's configuration that this engine evaluates."""

from __future__ import annotations

from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from shopwatch_engine.definitions.document import Steps
from shopwatch_engine.definitions.schema import Definition, Seconds, checked, rejected, without_empty
from shopwatch_engine.exceptions import TemplateError
from shopwatch_engine.matchers import parse_matchers
from shopwatch_engine.model.routing import MatchSpec
from shopwatch_engine.templates import check_notification_template

PAGERDUTY_URL: Final = "https://events.pagerduty.com/v2/enqueue"
"""Alertmanager's default ``pagerduty_url``."""
OPSGENIE_URL: Final = "https://api.opsgenie.com/"
"""Alertmanager's default ``opsgenie_api_url``."""

_ALERTMANAGER: Final = "Alertmanager"
_TOP: Final = frozenset(("inhibit_rules", "mute_time_intervals", "templates", "time_intervals", "tracing"))
_ROUTE: Final = frozenset(("active_time_intervals", "mute_time_intervals"))
_PAGER: Final = frozenset(
    (
        "actions", "http_config", "images", "links", "responders", "service_key", "service_key_file",
        "timeout", "update_alerts",
    )
)  # fmt: skip
_GLOBAL: Final = (
    "http_config", "incidentio_", "jira_", "mattermost_", "msteams_", "rocketchat_", "slack_", "smtp_",
    "telegram_", "victorops_", "webex_", "wechat_",
)  # fmt: skip
_RECEIVER: Final = frozenset(
    f"{kind}_configs"
    for kind in (
        "discord", "email", "incidentio", "jira", "mattermost", "msteams", "msteamsv2", "pushover",
        "rocketchat", "slack", "sns", "telegram", "victorops", "webex", "webhook", "wechat",
    )
)  # fmt: skip


def of_alertmanager(path: Steps) -> str:
    """``Alertmanager`` when the key at a path is one that it has and this engine does not evaluate."""
    key, parents = str(path[-1]), [step for step in path[:-1] if isinstance(step, str)]
    parent = parents[-1] if parents else ""
    known = {
        "": key in _TOP,
        "global": key.startswith(_GLOBAL),
        "route": key in _ROUTE,
        "routes": key in _ROUTE,
        "receivers": key in _RECEIVER,
        "pagerduty_configs": key in _PAGER,
        "opsgenie_configs": key in _PAGER,
    }
    return _ALERTMANAGER if known.get(parent, False) else ""


def _url(text: str) -> str:
    parts = urlsplit(text.strip())
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(
            "this is not an address: expected http://HOST or https://HOST, with a path if need be"
        )
    return text.strip()


def _template(text: str) -> str:
    try:
        check_notification_template(text)
    except TemplateError as error:
        raise ValueError(f"the template does not parse: {error}") from error
    return text


def _matchers(text: str) -> tuple[MatchSpec, ...]:
    found = parse_matchers(text)
    if not found:
        raise ValueError(f"{text!r} holds no matcher")
    return found


def _grouping(labels: list[str]) -> list[str]:
    if "..." in labels and len(labels) > 1:
        raise rejected("bad-route", "'...' stands beside other labels", "write group_by: ['...'] alone")
    twice = next((label for label in labels if labels.count(label) > 1), None)
    if twice is not None or "" in labels:
        raise rejected("bad-route", f"{twice or ''!r} stands here twice or is empty", "name each label once")
    return labels


def _above_zero(seconds: float) -> float:
    if seconds <= 0:
        raise rejected("bad-duration", "this cannot be zero", "write a duration such as 5m")
    return seconds


Matchers = Annotated[
    tuple[MatchSpec, ...],
    checked("bad-matcher", 'write it as severity="critical" or team=~"shop|payments"', _matchers),
]
Template = Annotated[
    str, checked("bad-template", "mend the template; it has Alertmanager's data and functions", _template)
]
Url = Annotated[str, checked("bad-url", "write the whole address", _url)]
Interval = Annotated[Seconds, AfterValidator(_above_zero)]


class RouteDefinition(Definition):
    """A route; what it leaves out it inherits."""

    receiver: str | None = None
    group_by: Annotated[list[str], AfterValidator(_grouping)] | None = None
    group_wait: Seconds | None = None
    group_interval: Interval | None = None
    repeat_interval: Interval | None = None
    matchers: list[Matchers] = Field(default_factory=list)
    match: Annotated[dict[str, str], BeforeValidator(without_empty)] = Field(default_factory=dict)
    match_re: Annotated[dict[str, str], BeforeValidator(without_empty)] = Field(default_factory=dict)
    continue_: bool = Field(default=False, alias="continue")
    routes: list[RouteDefinition] = Field(default_factory=list)


class PagerDefinition(Definition):
    """What both pagers' configurations have."""

    send_resolved: bool = True
    description: Template | None = None
    source: Template | None = None
    details: Annotated[dict[str, Template], BeforeValidator(without_empty)] = Field(default_factory=dict)

    def templates(self) -> dict[str, str]:
        """Its texts by name, those of ``details`` as ``details.<name>``."""
        own = {name: getattr(self, attribute) for attribute, name in _template_fields(type(self)).items()}
        return {name: text for name, text in own.items() if text is not None} | {
            f"details.{name}": text for name, text in self.details.items()
        }


class PagerDutyDefinition(PagerDefinition):
    """One of ``pagerduty_configs``."""

    routing_key: str | None = Field(default=None, repr=False)
    routing_key_file: str | None = None
    url: Url | None = None
    severity: Template | None = None
    class_: Template | None = Field(default=None, alias="class")
    component: Template | None = None
    group: Template | None = None
    client: Template | None = None
    client_url: Template | None = None


class OpsgenieDefinition(PagerDefinition):
    """One of ``opsgenie_configs``."""

    api_key: str | None = Field(default=None, repr=False)
    api_key_file: str | None = None
    api_url: Url | None = None
    message: Template | None = None
    tags: Template | None = None
    priority: Template | None = None
    entity: Template | None = None
    note: Template | None = None


class ReceiverDefinition(Definition):
    """A receiver and its pagers."""

    name: str
    pagerduty_configs: list[PagerDutyDefinition] = Field(default_factory=list)
    opsgenie_configs: list[OpsgenieDefinition] = Field(default_factory=list)


class GlobalDefinition(Definition):
    """What receivers fall back on."""

    resolve_timeout: Seconds = 300.0
    pagerduty_url: Url = PAGERDUTY_URL
    opsgenie_api_url: Url = OPSGENIE_URL
    opsgenie_api_key: str | None = Field(default=None, repr=False)
    opsgenie_api_key_file: str | None = None


class RoutingFile(Definition):
    """A routing file."""

    global_: GlobalDefinition = Field(default_factory=GlobalDefinition, alias="global")
    route: RouteDefinition
    receivers: list[ReceiverDefinition]

    @model_validator(mode="before")
    @classmethod
    def _without_nothing(cls, value: object) -> object:
        """Alertmanager's keys that hold nothing (``templates: []``) lose nobody a page."""
        if not isinstance(value, dict):
            return value
        return {key: one for key, one in value.items() if one or key not in _TOP}


def _template_fields(model: type[PagerDefinition]) -> dict[str, str]:
    """The fields of a pager that are templates, each with its name in the file."""
    settings = ("send_resolved", "details", "routing_key", "api_key", "url", "api_url")
    return {
        name: one.alias or name
        for name, one in model.model_fields.items()
        if name.removesuffix("_file") not in settings
    }
