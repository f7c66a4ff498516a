"""Rules and routes in a hurry: the same documents with every duration divided by a factor.

Works on loaded YAML documents, so that what comes out is a normal rules folder and a normal routing file.
Thresholds stay: only lengths of time change.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from shopwatch_engine.durations import format_duration, parse_duration
from shopwatch_engine.promql import scale_durations

Document = Mapping[str, Any]

_GROUP_DURATIONS: Final = ("interval", "query_offset")
_RULE_DURATIONS: Final = ("for", "keep_firing_for")
_ROUTE_DURATIONS: Final = ("group_wait", "group_interval", "repeat_interval")
_ALERTMANAGER: Final = {
    "group_wait": "30s",
    "group_interval": "5m",
    "repeat_interval": "4h",
}  # its defaults
_DEFAULT_INTERVAL: Final = "1m"  # Prometheus' evaluation_interval where nothing says otherwise


@dataclass(frozen=True, slots=True, kw_only=True)
class PagerAccess:
    """Where the pagers are, and the files that hold their keys."""

    pagerduty_url: str
    opsgenie_api_url: str
    pagerduty_key_file: str
    opsgenie_key_file: str


def quickened_rules(document: Document, factor: float) -> dict[str, Any]:
    """A rule file whose intervals, waits and ranges are divided by a factor.

    Args:
        document: a Prometheus rule file: ``groups``, each with ``rules``.
        factor: above zero; 15 makes a minute four seconds.

    Raises:
        ValueError: a duration or an expression does not parse; names group and rule.
    """
    return {**document, "groups": [_quickened_group(group, factor) for group in document["groups"]]}


def quickened_routing(document: Document, factor: float) -> dict[str, Any]:
    """A routing file whose group and repeat intervals are divided by a factor.

    Raises:
        ValueError: a duration does not parse; names the key.
    """
    root = {**_ALERTMANAGER, **document["route"]}
    return {**document, "route": _quickened_route(root, factor)}


def aimed_routing(document: Document, access: PagerAccess) -> dict[str, Any]:
    """A routing file whose pagers are all at these addresses, with these keys."""
    plain = {name: value for name, value in document.get("global", {}).items() if not _is_pager_setting(name)}
    aimed = {**document, "receivers": [_aimed(receiver, access) for receiver in document["receivers"]]}
    return {**aimed, "global": plain} if plain else {k: v for k, v in aimed.items() if k != "global"}


def shortened(text: str, factor: float) -> str:
    """A duration divided by a factor, to the millisecond; one above zero stays above zero.

    Raises:
        ValueError: it is not a duration.
    """
    seconds = parse_duration(text)
    return format_duration(max(seconds / factor, 0.001) if seconds else 0.0)


def _quickened_group(group: Document, factor: float) -> dict[str, Any]:
    name = str(group.get("name"))
    whole = {"interval": _DEFAULT_INTERVAL, **group}
    quick = _with_short(whole, _GROUP_DURATIONS, factor, where=f"group {name}")
    return {**quick, "rules": [_quickened_rule(rule, factor, name) for rule in group.get("rules", ())]}


def _quickened_rule(rule: Document, factor: float, group: str) -> dict[str, Any]:
    where = f"group {group}, rule {rule.get('alert', rule.get('record'))}"
    quick = _with_short(rule, _RULE_DURATIONS, factor, where=where)
    try:
        return {**quick, "expr": scale_durations(str(rule["expr"]), factor)}
    except ValueError as error:
        raise ValueError(f"{where}: expr: {error}") from error


def _quickened_route(route: Document, factor: float) -> dict[str, Any]:
    quick = _with_short(
        route, _ROUTE_DURATIONS, factor, where=f"route to {route.get('receiver', 'its parent')}"
    )
    if "routes" not in route:
        return quick
    return {**quick, "routes": [_quickened_route(child, factor) for child in route["routes"]]}


def _with_short(document: Document, names: tuple[str, ...], factor: float, *, where: str) -> dict[str, Any]:
    quick = dict(document)
    for name in names:
        if name not in document:
            continue
        try:
            quick[name] = shortened(str(document[name]), factor)
        except ValueError as error:
            raise ValueError(f"{where}: {name}: {error}") from error
    return quick


def _is_pager_setting(name: str) -> bool:
    return name.startswith(("pagerduty_", "opsgenie_"))


def _aimed(receiver: Document, access: PagerAccess) -> dict[str, Any]:
    aimed = dict(receiver)
    for kind, aim in (
        ("pagerduty_configs", {"url": access.pagerduty_url, "routing_key_file": access.pagerduty_key_file}),
        ("opsgenie_configs", {"api_url": access.opsgenie_api_url, "api_key_file": access.opsgenie_key_file}),
    ):
        if kind in receiver:
            aimed[kind] = [{**_without_keys(config), **aim} for config in receiver[kind]]
    return aimed


_KEYS: Final = ("routing_key", "service_key", "service_key_file", "api_key")


def _without_keys(config: Document) -> dict[str, Any]:
    return {name: value for name, value in config.items() if name not in _KEYS}
