"""What a template can reach: Prometheus' and Alertmanager's data, in values that behave like Go's.

gotpl asks a value for a field by calling its ``__gotemplate_lookup__``; nothing else of it is reachable.
Knows nothing else of gotpl.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final, TypeVar

from shopwatch_engine.model import LabelSet, Notification, NotifiedAlert
from shopwatch_engine.templates.functions import format_time, go_time

_Value = TypeVar("_Value")
_GO_ZERO_TIME_MS: Final = -62_135_596_800_000  # the year 1: what Go shows for an end that is not known


class GoStruct(dict[str, object]):
    """Named fields; asking for another one is an error, as it is for a Go struct."""

    def __gotemplate_lookup__(self, field: str) -> object:
        """A field's value."""
        if field not in self:
            raise ValueError(f"there is no field .{field} here: expected one of {', '.join(sorted(self))}")
        return self[field]


class GoMap(dict[str, str]):
    """A ``map[string]string``: a key that is not there has the value ""."""

    def __missing__(self, key: object) -> str:
        return ""

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str)  # so that Go's `index` finds the empty value

    def __gotemplate_lookup__(self, field: str) -> object:
        """A key's value."""
        return self[field]


class KeyValues(GoMap):
    """Alertmanager's label or annotation set: a map with methods, which come before its keys."""

    def __gotemplate_lookup__(self, field: str) -> object:
        """What a method returns, else a key's value."""
        method = _KEY_VALUES_METHODS.get(field)
        if field == "Remove":
            return self.remove
        return self[field] if method is None else method(self)

    def remove(self, names: Iterable[str]) -> KeyValues:
        """A set without the named ones."""
        unwanted = frozenset(names)
        return KeyValues({name: value for name, value in self.items() if name not in unwanted})

    def sorted_pairs(self) -> Pairs:
        """Its pairs by name, ``alertname`` first."""
        names = sorted(self, key=lambda name: (name != "alertname", name))
        return Pairs(GoStruct(Name=name, Value=self[name]) for name in names)


class Pairs(tuple[GoStruct, ...]):
    """Sorted pairs of name and value."""

    __slots__ = ()

    def __gotemplate_lookup__(self, field: str) -> object:
        """``Names`` or ``Values``."""
        return tuple(pair[_one_of(field, {"Names": "Name", "Values": "Value"})] for pair in self)


class Alerts(tuple[GoStruct, ...]):
    """The alerts of a page."""

    __slots__ = ()

    def __gotemplate_lookup__(self, field: str) -> object:
        """``Firing`` or ``Resolved``."""
        status = _one_of(field, {"Firing": "firing", "Resolved": "resolved"})
        return Alerts(alert for alert in self if alert["Status"] == status)


class GoTime:
    """A time in UTC, to the millisecond."""

    __slots__ = ("_milliseconds",)

    def __init__(self, milliseconds: int) -> None:
        self._milliseconds = milliseconds

    def __str__(self) -> str:
        return go_time(self._milliseconds)

    def format(self, layout: str) -> str:
        """The time by a Go layout."""
        return format_time(self._milliseconds, layout)

    def __gotemplate_lookup__(self, field: str) -> object:
        """``Format``, ``Unix``, or the time itself, which is in UTC already."""
        known: dict[str, object] = {
            "Format": self.format,
            "String": str(self),
            "UTC": self,
            "Unix": self._milliseconds // 1000,
            "UnixMilli": self._milliseconds,
        }
        return _one_of(field, known)


_KEY_VALUES_METHODS: dict[str, Callable[[KeyValues], object]] = {
    "SortedPairs": KeyValues.sorted_pairs,
    "Names": lambda one: tuple(pair["Name"] for pair in one.sorted_pairs()),
    "Values": lambda one: tuple(pair["Value"] for pair in one.sorted_pairs()),
}


def alert_data(labels: LabelSet, value: float, *, external_url: str, external_labels: LabelSet) -> GoStruct:
    """What a rule's template can reach."""
    return GoStruct(
        Labels=GoMap(labels.pairs),
        ExternalLabels=GoMap(external_labels.pairs),
        ExternalURL=external_url,
        Value=value,
    )


def notification_data(notification: Notification) -> GoStruct:
    """What a template of the routing file can reach."""
    return GoStruct(
        Receiver=notification.receiver,
        Status="firing" if notification.firing else "resolved",
        Alerts=Alerts(_alert(alert) for alert in notification.alerts),
        GroupLabels=KeyValues(notification.group_labels.pairs),
        CommonLabels=KeyValues(notification.common_labels.pairs),
        CommonAnnotations=KeyValues(notification.common_annotations.pairs),
        ExternalURL=notification.external_url,
    )


def _alert(alert: NotifiedAlert) -> GoStruct:
    return GoStruct(
        Status="firing" if alert.firing else "resolved",
        Labels=KeyValues(alert.labels.pairs),
        Annotations=KeyValues(alert.annotations.pairs),
        StartsAt=GoTime(round(alert.starts_at * 1000)),
        EndsAt=GoTime(_GO_ZERO_TIME_MS if alert.ends_at is None else round(alert.ends_at * 1000)),
        GeneratorURL=alert.generator_url,
        Fingerprint=alert.labels.fingerprint[:16],
    )


def _one_of(field: str, known: Mapping[str, _Value]) -> _Value:
    if field not in known:
        raise ValueError(f"there is no .{field} here: expected one of {', '.join(sorted(known))}")
    return known[field]
