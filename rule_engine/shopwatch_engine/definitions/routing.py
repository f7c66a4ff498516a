"""A routing file to a routing tree and its receivers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from shopwatch_engine.definitions.document import Document, Raw, Steps, in_order, maps_in, read_document
from shopwatch_engine.definitions.pager_keys import PagerKeys
from shopwatch_engine.definitions.routing_schema import (
    GlobalDefinition,
    OpsgenieDefinition,
    PagerDutyDefinition,
    ReceiverDefinition,
    RouteDefinition,
    RoutingFile,
    of_alertmanager,
)
from shopwatch_engine.definitions.schema import nearest, validated
from shopwatch_engine.exceptions import DefinitionError
from shopwatch_engine.matchers import compile_matcher
from shopwatch_engine.model import Finding, Integration, PagerKind, Receiver, Route, Routing
from shopwatch_engine.model.routing import MatchSpec

_OPERATORS = ("=", "!=", "=~", "!~")


def load_routing(path: Path, *, read_key_files: bool = True) -> Routing:
    """The routes and receivers of a file in Alertmanager's format.

    Args:
        path: the file; relative names of key files count from its folder.
        read_key_files: False to look at the file alone, where the keys are not: nothing can be sent then.

    Raises:
        DefinitionError: with every mistake; no key's value is in any.
    """
    document = read_document(path)
    found = validated(document, RoutingFile, unsupported=of_alertmanager)
    keys = PagerKeys(document, folder=path.parent, read_files=read_key_files)
    findings: list[Finding] = [*keys.findings, *_beyond_the_schema(document)]
    findings.extend(found if isinstance(found, tuple) else ())
    if findings or not isinstance(found, RoutingFile):
        raise DefinitionError(in_order(findings))
    receivers = [
        _receiver(document, index, one, found.global_, keys) for index, one in enumerate(found.receivers)
    ]
    root = _route(document, ("route",), found.route, _ROOT_DEFAULTS)
    return Routing(root=root, receivers={one.name: one for one in receivers})


# ---------------------------------------------------------------- routes
@dataclass(frozen=True, slots=True, kw_only=True)
class _Inherited:
    """What a route takes from the one above."""

    key: str
    receiver: str
    group_by: tuple[str, ...]
    group_by_all: bool
    group_wait_s: float
    group_interval_s: float
    repeat_interval_s: float


_ROOT_DEFAULTS = _Inherited(
    key="",
    receiver="",
    group_by=(),
    group_by_all=False,
    group_wait_s=30.0,
    group_interval_s=300.0,
    repeat_interval_s=14400.0,
)


def _route(document: Document, path: Steps, route: RouteDefinition, above: _Inherited) -> Route:
    matchers = _matchers(route)
    printed = "{" + ",".join(str(one) for one in matchers) + "}"
    own = _Inherited(
        key=f"{above.key}/{printed}" if above.key else printed,
        receiver=route.receiver or above.receiver,
        group_by=above.group_by
        if route.group_by is None
        else tuple(one for one in route.group_by if one != "..."),
        group_by_all=above.group_by_all if route.group_by is None else "..." in route.group_by,
        group_wait_s=_given(route.group_wait, above.group_wait_s),
        group_interval_s=_given(route.group_interval, above.group_interval_s),
        repeat_interval_s=_given(route.repeat_interval, above.repeat_interval_s),
    )
    return Route(
        key=own.key,
        receiver=own.receiver,
        matchers=matchers,
        continue_=route.continue_,
        group_by=own.group_by,
        group_by_all=own.group_by_all,
        group_wait_s=own.group_wait_s,
        group_interval_s=own.group_interval_s,
        repeat_interval_s=own.repeat_interval_s,
        routes=tuple(
            _route(document, (*path, "routes", index), one, own) for index, one in enumerate(route.routes)
        ),
        position=document.position(path),
    )


def _given(own: float | None, inherited: float) -> float:
    return inherited if own is None else own


def _matchers(route: RouteDefinition) -> tuple[MatchSpec, ...]:
    """A route's matchers, in Alertmanager's order: by name, value and operator."""
    equal = [MatchSpec(name=name, operator="=", value=value) for name, value in route.match.items()]
    alike = [MatchSpec(name=name, operator="=~", value=value) for name, value in route.match_re.items()]
    every = [*equal, *alike, *(one for several in route.matchers for one in several)]
    return tuple(sorted(every, key=lambda one: (one.name, one.value, _OPERATORS.index(one.operator))))


# ---------------------------------------------------------------- receivers
def _receiver(
    document: Document, index: int, receiver: ReceiverDefinition, defaults: GlobalDefinition, keys: PagerKeys
) -> Receiver:
    path = ("receivers", index)
    pagerduty = [
        _integration(document, (*path, "pagerduty_configs", place), receiver.name, one, defaults, keys)
        for place, one in enumerate(receiver.pagerduty_configs)
    ]
    opsgenie = [
        _integration(document, (*path, "opsgenie_configs", place), receiver.name, one, defaults, keys)
        for place, one in enumerate(receiver.opsgenie_configs)
    ]
    return Receiver(name=receiver.name, integrations=(*pagerduty, *opsgenie))


def _integration(
    document: Document,
    path: tuple[str | int, ...],
    receiver: str,
    pager: PagerDutyDefinition | OpsgenieDefinition,
    defaults: GlobalDefinition,
    keys: PagerKeys,
) -> Integration:
    if isinstance(pager, PagerDutyDefinition):
        kind, url = PagerKind.PAGERDUTY, pager.url or defaults.pagerduty_url
    else:
        kind, url = PagerKind.OPSGENIE, pager.api_url or defaults.opsgenie_api_url
    return Integration(
        id=f"{receiver}/{kind.value}/{path[-1]}",
        kind=kind,
        url=url,
        key=keys.of(path),
        send_resolved=pager.send_resolved,
        templates=pager.templates(),
        position=document.position(path),
    )


# ---------------------------------------------------------------- what no schema can say
def _beyond_the_schema(document: Document) -> Iterator[Finding]:
    """What is wrong between keys, looking at values as written, so that no mistake hides another."""
    receivers: dict[str, int] = {}
    for index, receiver in maps_in(document.at(("receivers",))):
        path = ("receivers", index, "name")
        name, line = receiver.get("name"), document.position(path).line
        if name == "":
            yield _finding(document, path, "missing-field", "the receiver has no name", "name it")
        if isinstance(name, str) and receivers.setdefault(name, line) != line:
            message = f"receiver {name!r} stands here a second time, first in line {receivers[name]}"
            yield _finding(document, path, "duplicate-receiver", message, "rename one, or join the two")
    root = document.at(("route",))
    if isinstance(root, dict):
        yield from _root(document, root)
        yield from _route_findings(document, ("route",), root, receivers)


def _root(document: Document, root: Mapping[str, Raw]) -> Iterator[Finding]:
    if not root.get("receiver"):
        message = "the root route names no receiver: expected one, for alerts that no other route takes"
        yield _finding(document, ("route",), "missing-field", message, "add receiver: to it")
    for key in ("matchers", "match", "match_re"):
        if root.get(key):
            message = f"the root route has {key}: expected none, since it takes every alert"
            yield _finding(document, ("route", key), "bad-route", message, "move it to a route under routes:")
    if root.get("continue") in ("true", "yes", "on"):
        message = "the root route cannot continue: nothing comes after it"
        yield _finding(document, ("route", "continue"), "bad-route", message, "remove it")


def _route_findings(
    document: Document, path: tuple[str | int, ...], route: Mapping[str, Raw], receivers: Mapping[str, int]
) -> Iterator[Finding]:
    name = route.get("receiver")
    if isinstance(name, str) and name and name not in receivers:
        close = nearest(name, receivers)
        remedy = f"did you mean {close!r}?" if close else "add it under receivers:"
        message = f"receiver {name!r} does not exist"
        yield _finding(document, (*path, "receiver"), "missing-receiver", message, remedy)
    patterns = route.get("match_re")
    for label, pattern in patterns.items() if isinstance(patterns, dict) else ():
        try:
            compile_matcher(MatchSpec(name=label, operator="=~", value=str(pattern or "")))
        except ValueError as error:
            place = (*path, "match_re", label)
            yield _finding(document, place, "bad-matcher", f"{label}: {error}", "mend the expression")
    for index, child in maps_in(route.get("routes")):
        yield from _route_findings(document, (*path, "routes", index), child, receivers)


def _finding(document: Document, path: Steps, code: str, message: str, remedy: str) -> Finding:
    return Finding(code=code, position=document.position(path), message=message, remedy=remedy)
