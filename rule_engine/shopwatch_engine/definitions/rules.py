"""Rule files to a rule set."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Final

from shopwatch_engine import promql
from shopwatch_engine.definitions.document import Document, Raw, Steps, in_order, maps_in
from shopwatch_engine.definitions.rule_files import read_rule_files
from shopwatch_engine.definitions.rule_schema import (
    GroupDefinition,
    RuleDefinition,
    RuleFile,
    of_recording_rule,
)
from shopwatch_engine.definitions.schema import subject, validated
from shopwatch_engine.exceptions import DefinitionError
from shopwatch_engine.model import AlertRule, Finding, LabelSet, RecordRule, RuleGroup, RuleSet

DEFAULT_INTERVAL_S: Final = 60.0
"""Prometheus' default ``evaluation_interval``."""


def load_rules(paths: Sequence[Path], *, default_interval_s: float = DEFAULT_INTERVAL_S) -> RuleSet:
    """The rules of files, folders and patterns, in that order, each file once.

    Args:
        paths: see ``rule_files``.
        default_interval_s: seconds between evaluations of a group that names no interval.

    Raises:
        DefinitionError: with every mistake in every file.
    """
    documents, findings = read_rule_files(paths)
    names = _short_names([document.file for document in documents])
    groups: list[RuleGroup] = []
    for document in documents:
        found = validated(document, RuleFile, unsupported=lambda _: "")
        findings.extend(_beyond_the_schema(document))
        if isinstance(found, RuleFile):
            groups.extend(_groups(document, found, names[document.file], default_interval_s))
        else:
            findings.extend(found)
    if findings:
        raise DefinitionError(in_order(findings, [document.file for document in documents]))
    return RuleSet(groups=tuple(groups))


def _short_names(files: Sequence[str]) -> Mapping[str, str]:
    """Each file's name, with as much of its folders as it takes to tell it from the others."""
    names = {file: PurePath(file).name for file in files}
    for length in range(2, max((len(PurePath(file).parts) for file in files), default=0) + 1):
        count = Counter(names.values())
        names |= {
            file: "/".join(PurePath(file).parts[-length:]) for file, name in names.items() if count[name] > 1
        }
    return names


# ---------------------------------------------------------------- to values
def _groups(document: Document, file: RuleFile, short_name: str, interval_s: float) -> Iterator[RuleGroup]:
    for index, group in enumerate(file.groups):
        path = ("groups", index, "rules")
        yield RuleGroup(
            name=group.name,
            file=document.file,
            interval_s=group.interval or interval_s,
            query_offset_s=group.query_offset,
            limit=group.limit,
            rules=tuple(
                _rule(document, (*path, place), group, rule, short_name)
                for place, rule in enumerate(group.rules)
            ),
        )


def _rule(
    document: Document, path: Steps, group: GroupDefinition, rule: RuleDefinition, short_name: str
) -> AlertRule | RecordRule:
    labels = LabelSet.of({**group.labels, **rule.labels})
    if rule.alert is None:
        return RecordRule(
            group=group.name,
            record=rule.record or "",
            expr=rule.expr,
            labels=labels,
            position=document.position((*path, "record")),
        )
    return AlertRule(
        id=f"{short_name}/{group.name}/{rule.alert}/{labels.fingerprint[:8]}",
        group=group.name,
        name=rule.alert,
        expr=rule.expr,
        for_s=rule.for_,
        keep_firing_for_s=rule.keep_firing_for,
        labels=labels,
        annotations=LabelSet.of(rule.annotations),
        lookback_s=promql.describe(rule.expr).longest_range_s,
        position=document.position((*path, "alert")),
    )


# ---------------------------------------------------------------- what no schema can say
def _beyond_the_schema(document: Document) -> Iterator[Finding]:
    """What is wrong between keys, rules and groups; of values as written, so that none hides another."""
    first_of_name: dict[str, int] = {}
    for index, group in maps_in(document.at(("groups",))):
        path = ("groups", index)
        line = document.position((*path, "name")).line
        name = group.get("name")
        if isinstance(name, str) and first_of_name.setdefault(name, line) != line:
            yield _finding(
                document,
                (*path, "name"),
                "duplicate-group",
                f"the file has another group {name!r}, in line {first_of_name[name]}",
                "rename one of the two, or join them",
            )
        yield from _rules_of(document, path, group)


def _rules_of(document: Document, group_path: Steps, group: Mapping[str, Raw]) -> Iterator[Finding]:
    first_of_alert: dict[str, int] = {}
    for index, rule in maps_in(group.get("rules")):
        path = (*group_path, "rules", index)
        yield from _kind(document, path, rule)
        yield from _result_type(document, path, rule)
        if not isinstance(rule.get("alert"), str):
            continue
        identity = f"{rule['alert']}/{_fingerprint(group.get('labels'), rule.get('labels'))}"
        line = document.position((*path, "alert")).line
        if first_of_alert.setdefault(identity, line) != line:
            yield _finding(
                document,
                (*path, "alert"),
                "duplicate-alert",
                f"the group has it in line {first_of_alert[identity]} already, with the same labels",
                "rename one of the two, or tell them apart by a label such as severity",
            )


def _kind(document: Document, path: Steps, rule: Mapping[str, Raw]) -> Iterator[Finding]:
    """A rule alerts or records, and a recording rule has no keys of an alerting one."""
    kinds = [key for key in ("alert", "record") if rule.get(key) is not None]
    if not kinds:
        remedy = "add alert: or record: with a name"
        yield _finding(document, path, "missing-field", "the rule is neither alert nor record", remedy)
    elif len(kinds) == 2:
        remedy = "make two rules of it"
        yield _finding(document, (*path, "record"), "bad-rule", "the rule is both alert and record", remedy)
    elif kinds == ["record"]:
        for key in of_recording_rule(rule):
            remedy = "remove it, or make this an alerting rule"
            yield _finding(document, (*path, key), "bad-rule", f"{key} belongs to alerting rules", remedy)
        if any(brace in str(rule["record"]) for brace in "{}"):
            remedy = "put labels under labels:"
            yield _finding(document, (*path, "record"), "bad-rule", "record is no metric name", remedy)


def _result_type(document: Document, path: Steps, rule: Mapping[str, Raw]) -> Iterator[Finding]:
    expr = rule.get("expr")
    try:
        result = promql.describe(expr).result_type if isinstance(expr, str) and expr.strip() else "vector"
    except ValueError:
        return  # the schema says so
    if result not in ("vector", "scalar"):
        said = {"matrix": "a range vector", "string": "a text"}[result]
        yield _finding(
            document,
            (*path, "expr"),
            "bad-expr",
            f"expr: gives {said}: expected an instant vector or a scalar",
            "wrap it in a function such as rate()" if result == "matrix" else "compare something",
        )


def _finding(document: Document, path: Steps, code: str, message: str, remedy: str) -> Finding:
    whose = subject(document, path)
    return Finding(code=code, position=document.position(path), message=f"{whose}{message}", remedy=remedy)


def _fingerprint(*maps: Raw) -> str:
    merged: dict[str, str] = {}
    for one in maps:
        merged |= {str(key): str(value or "") for key, value in one.items()} if isinstance(one, dict) else {}
    return hashlib.blake2b(repr(sorted(merged.items())).encode("utf-8", "replace")).hexdigest()
