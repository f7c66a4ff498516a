"""Which routes an alert takes, which group it joins there, and the key that the group has."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from shopwatch_engine.matchers import Matcher, compile_matcher
from shopwatch_engine.model import LabelSet, Route
from shopwatch_engine.model.routing import MatchSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Where an alert lands: a route and the labels it is grouped by."""

    route: Route
    labels: LabelSet
    dedup_key: str


def groups_of(root: Route, labels: LabelSet) -> tuple[Group, ...]:
    """The groups that an alert joins, as Alertmanager routes: deepest matching routes, in order."""
    return tuple(_group(route, labels) for route in _routes(root, labels))


def _routes(route: Route, labels: LabelSet) -> Iterator[Route]:
    taken = False
    for child in route.routes:
        if not _matches(child, labels):
            continue
        taken = True
        yield from _routes(child, labels)
        if not child.continue_:
            return
    if not taken:
        yield route


def _matches(route: Route, labels: LabelSet) -> bool:
    return all(_compiled(spec).matches(labels) for spec in route.matchers)


@functools.lru_cache(maxsize=4096)
def _compiled(spec: MatchSpec) -> Matcher:
    return compile_matcher(spec)


def _group(route: Route, labels: LabelSet) -> Group:
    grouped = labels if route.group_by_all else labels.only(route.group_by)
    return Group(route=route, labels=grouped, dedup_key=dedup_key(route, grouped))


def dedup_key(route: Route, group_labels: LabelSet) -> str:
    """The key that the group's incident has at every pager: 42 characters.

    It follows from route, receiver and group labels alone. PagerDuty takes up to 255 characters,
    Opsgenie's alias 512.
    """
    digest = hashlib.blake2b(digest_size=16)
    for part in (route.key, route.receiver, group_labels.fingerprint):
        digest.update(part.encode("utf-8", "surrogatepass") + b"\xff")
    return f"shopwatch-{digest.hexdigest()}"
