"""Where alerts go: Alertmanager's routing configuration as typed values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from shopwatch_engine.model.definition import NOWHERE, Position
from shopwatch_engine.model.secret import Secret


class PagerKind(Enum):
    """The pagers there are, by the first word of Alertmanager's ``<kind>_configs``."""

    PAGERDUTY = "pagerduty"
    OPSGENIE = "opsgenie"


@dataclass(frozen=True, slots=True, kw_only=True)
class Integration:
    """One pager of one receiver. ``templates`` are the configuration's own texts, Go templates."""

    id: str  # "<receiver>/<kind>/<index>": what a delivery remembers, no secret in it
    kind: PagerKind
    url: str
    key: Secret
    send_resolved: bool = True
    templates: Mapping[str, str] = field(default_factory=dict)
    position: Position = NOWHERE


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """A named set of pagers; one without any is where alerts go that wake nobody."""

    name: str
    integrations: tuple[Integration, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchSpec:
    """A matcher as written: name, operator (``=``, ``!=``, ``=~``, ``!~``) and value."""

    name: str
    operator: str
    value: str

    def __str__(self) -> str:
        escaped = self.value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return f'{self.name}{self.operator}"{escaped}"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A node of the routing tree, inherited values filled in.

    ``key`` is Alertmanager's: the matchers on the way down, ``{}/{severity="critical"}``.
    """

    key: str
    receiver: str
    matchers: tuple[MatchSpec, ...] = ()
    continue_: bool = False
    group_by: tuple[str, ...] = ()
    group_by_all: bool = False  # group_by: ['...']
    group_wait_s: float = 30.0
    group_interval_s: float = 300.0
    repeat_interval_s: float = 14400.0
    routes: tuple[Route, ...] = ()
    position: Position = NOWHERE


@dataclass(frozen=True, slots=True, kw_only=True)
class Routing:
    """The routing tree and its receivers."""

    root: Route
    receivers: Mapping[str, Receiver]

    @property
    def integrations(self) -> Mapping[str, Integration]:
        """Every pager of every receiver, by id."""
        return {one.id: one for receiver in self.receivers.values() for one in receiver.integrations}
