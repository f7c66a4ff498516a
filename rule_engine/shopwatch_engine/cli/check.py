"""``shopwatch check``: whether definitions are right, without running anything."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from rich.console import Console
from rich.text import Text

from shopwatch_engine.cli.event_files import declare_events
from shopwatch_engine.definitions import load_routing, load_rules
from shopwatch_engine.definitions.catalogue_lint import lint_against_catalogue
from shopwatch_engine.definitions.document import findings_of
from shopwatch_engine.definitions.lint import WARNINGS, lint
from shopwatch_engine.exceptions import DefinitionError
from shopwatch_engine.model import Finding, RecordRule, Routing, RuleSet

_Loaded = TypeVar("_Loaded")


def check(
    rules: Annotated[
        list[Path] | None,
        typer.Option(envvar="SHOPWATCH_RULES", help="Rule files, folders or patterns; may be repeated."),
    ] = None,
    routing: Annotated[
        Path | None,
        typer.Option(envvar="SHOPWATCH_ROUTING", help="Routes and receivers, Alertmanager's format."),
    ] = None,
    catalogue: Annotated[
        bool, typer.Option("--catalogue", help="Metrics and labels must be those of shopwatch's catalogue.")
    ] = False,
    events: Annotated[
        list[Path] | None,
        typer.Option(help="Python file that declares a team's own events; may be repeated. It is run."),
    ] = None,
    without_keys: Annotated[
        bool, typer.Option("--without-keys", help="Leave key files unread: they are where pages are sent.")
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings count as mistakes.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Check rules and routing; print one line a mistake, with file, line and remedy.

    Exits 0 when there is none (warnings alone are none, but for --strict), 1 when there is one, 2 when
    called wrongly.
    """
    if not rules and routing is None:
        raise typer.BadParameter("give --rules, --routing, or both", param_hint="--rules")
    for file in events or ():
        declare_events(file)
    findings: list[Finding] = []
    rule_set = (_loaded(lambda: load_rules(rules), findings) if rules else None) or RuleSet()
    routes = None
    if routing is not None:
        routes = _loaded(lambda: load_routing(routing, read_key_files=not without_keys), findings)
    findings.extend(lint(rule_set, routes))
    if catalogue:
        findings.extend(lint_against_catalogue(rule_set))
    wrong = any(strict or not _is_warning(one) for one in findings)
    counts = _counts(rule_set, routes)
    if as_json:
        shown = {"ok": not wrong, **counts, "findings": [_as_json(one) for one in findings]}
        typer.echo(json.dumps(shown, indent=2))
    else:
        _print(findings)
        _sum_up(findings, counts, wrong=wrong)
    raise typer.Exit(1 if wrong else 0)


def _loaded(load: Callable[[], _Loaded], findings: list[Finding]) -> _Loaded | None:
    try:
        return load()
    except DefinitionError as error:
        findings.extend(findings_of(error))
        return None


def _is_warning(finding: Finding) -> bool:
    return finding.code in WARNINGS


def _counts(rules: RuleSet, routing: Routing | None) -> dict[str, int]:
    recording = sum(isinstance(rule, RecordRule) for group in rules.groups for rule in group.rules)
    return {
        "files": len({group.file for group in rules.groups}),
        "groups": len(rules.groups),
        "alerts": len(rules.alert_rules),
        "recording_rules": recording,
        "receivers": 0 if routing is None else len(routing.receivers),
    }


def _print(findings: Sequence[Finding]) -> None:
    console = Console(highlight=False, soft_wrap=True)
    for one in findings:
        code = (f"[{one.code}]", "yellow" if _is_warning(one) else "red")
        line = Text.assemble((str(one.position), "bold"), ": ", code, " ", _one_line(one.message), "; ")
        console.print(line.append(_one_line(one.remedy), "cyan"))


def _sum_up(findings: Sequence[Finding], counts: dict[str, int], *, wrong: bool) -> None:
    """The last line: what was read when all is well; else, on the error stream, how much is wrong."""
    warnings = sum(map(_is_warning, findings))
    if wrong:
        mistakes = {"mistakes": len(findings) - warnings, "warnings": warnings}
        files = len({one.position.file for one in findings})
        told = f"{_told(mistakes)} in {_told({'files': files})}"
        Console(stderr=True, highlight=False, soft_wrap=True).print(told, style="red")
        return
    told = _told({**counts, "warnings": warnings}) or "nothing to check"
    Console(highlight=False, soft_wrap=True).print(Text.assemble(("ok", "green"), f": {told}"))


def _as_json(one: Finding) -> dict[str, str | int]:
    at = one.position
    return {
        "code": one.code,
        "level": "warning" if _is_warning(one) else "error",
        "file": at.file,
        "line": at.line,
        "column": at.column,
        "message": one.message,
        "remedy": one.remedy,
    }


def _told(counts: dict[str, int]) -> str:
    """The counts that are not zero: ``2 files, 1 group``."""
    words = {name: name.replace("_", " ") for name in counts}
    return ", ".join(
        f"{count} {words[name] if count != 1 else words[name].removesuffix('s')}"
        for name, count in counts.items()
        if count
    )


def _one_line(text: str) -> str:
    return " ".join(text.split())
