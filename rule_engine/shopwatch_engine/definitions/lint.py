"""What is allowed and yet a mistake: pages without an owner, receivers without a route, and the like."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from shopwatch_engine.definitions.document import in_order
from shopwatch_engine.matchers import compile_matcher
from shopwatch_engine.model import AlertRule, Finding, LabelSet, Position, Route, Routing, RuleSet
from shopwatch_engine.model.routing import MatchSpec
from shopwatch_engine.templates import functions_not_evaluated

_LABELS: Final = {
    "severity": "add severity: critical, error, warning or info",
    "owner": "add owner: with the team that is paged",
}
_ANNOTATIONS: Final = {
    "summary": "add summary: what is broken, in a line, for a person woken by it",
    "runbook_url": "add runbook_url: where it says what to do",
}
WARNINGS: Final = frozenset({"missing-label", "missing-annotation"})
"""Codes of findings that somebody's own conventions may see otherwise."""


def lint(rules: RuleSet, routing: Routing | None = None) -> tuple[Finding, ...]:
    """What whoever is paged would miss, and routing that no alert can reach."""
    findings = [finding for rule in rules.alert_rules for finding in _of_rule(rule)]
    if routing is not None:
        findings.extend(_unused_receivers(routing))
        findings.extend(_unreachable(routing.root))
    return in_order(findings, [group.file for group in rules.groups])


def _of_rule(rule: AlertRule) -> Iterator[Finding]:
    for label, remedy in _LABELS.items():
        if not rule.labels.get(label):
            message = f"alert {rule.name!r} has no label {label}"
            yield _finding("missing-label", rule.position, message, remedy)
    for annotation, remedy in _ANNOTATIONS.items():
        if not rule.annotations.get(annotation):
            message = f"alert {rule.name!r} has no annotation {annotation}"
            yield _finding("missing-annotation", rule.position, message, remedy)
    for name, text in (*rule.labels, *rule.annotations):
        for function in sorted(functions_not_evaluated(text)):
            message = f"alert {rule.name!r}: {name} calls {function}, which this engine does not evaluate yet"
            yield _finding(
                "unsupported", rule.position, message, "say it without, else the page is a plain one"
            )


# ---------------------------------------------------------------- routing
def _unused_receivers(routing: Routing) -> Iterator[Finding]:
    used = {route.receiver for route in _every(routing.root)}
    for name, receiver in routing.receivers.items():
        if name not in used:
            place = receiver.integrations[0].position if receiver.integrations else routing.root.position
            message = f"receiver {name!r} is in no route"
            yield _finding("unused-receiver", place, message, "route to it, or remove it")


def _every(route: Route) -> Iterator[Route]:
    yield route
    for child in route.routes:
        yield from _every(child)


def _unreachable(route: Route) -> Iterator[Finding]:
    """Routes of which an earlier sibling surely takes every alert."""
    for index, child in enumerate(route.routes):
        taker = _taker(child, route.routes[:index])
        if taker is not None:
            message = f"no alert reaches this route: the one in line {taker.position.line} takes them before"
            remedy = "move it up, or let the other continue: true"
            yield _finding("unreachable-route", child.position, message, remedy)
        yield from _unreachable(child)


def _taker(route: Route, before: Sequence[Route]) -> Route | None:
    for one in before:
        if not one.continue_ and all(_implied(wanted, route.matchers) for wanted in one.matchers):
            return one
    return None


def _implied(wanted: MatchSpec, given: Sequence[MatchSpec]) -> bool:
    """Whether whatever the given matchers let through surely passes the wanted one too."""
    if wanted in given:
        return True
    exact = [one for one in given if one.name == wanted.name and one.operator == "="]
    matcher = compile_matcher(wanted)
    return any(matcher.matches(LabelSet.of({one.name: one.value})) for one in exact)


def _finding(code: str, place: Position, message: str, remedy: str) -> Finding:
    return Finding(code=code, position=place, message=message, remedy=remedy)
