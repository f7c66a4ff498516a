"""What the demo's engine reads: copies of the shipped definitions, quickened and aimed at the sandbox."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from shopwatch_engine.demo.acceleration import PagerAccess, aimed_routing, quickened_routing, quickened_rules
from shopwatch_engine.demo.shop import DemoError

_Document = Mapping[str, Any]
_Change = Callable[[_Document], dict[str, Any]]


def write_definitions(rules: Path, work: Path, *, speed: float, access: PagerAccess) -> None:
    """Quickened copies of a rules folder and its routing file; runbooks as they are.

    Raises:
        DemoError: a file is missing or cannot be read.
    """
    routing = rules / "routing.yml"
    if not routing.is_file():
        raise DemoError(f"no {routing}: name the folder of the shipped alert rules with --rules")
    for path in sorted((*rules.glob("*.yml"), *rules.glob("*.yaml"))):
        document = _loaded(path)
        if "groups" in document:
            _rewritten(path, document, work / "rules", lambda one: quickened_rules(one, speed))
    _rewritten(
        routing, _loaded(routing), work, lambda one: aimed_routing(quickened_routing(one, speed), access)
    )
    if (rules / "runbooks").is_dir():
        shutil.copytree(rules / "runbooks", work / "rules" / "runbooks", dirs_exist_ok=True)


def _rewritten(
    path: Path,
    document: _Document,
    folder: Path,
    change: _Change,
) -> None:
    try:
        changed = change(document)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DemoError(f"{path}: {error}; `shopwatch check` says more") from error
    (folder / path.name).write_text(yaml.safe_dump(changed, sort_keys=False, width=110), encoding="utf-8")


def _loaded(path: Path) -> _Document:
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise DemoError(f"{path}: {error}") from error
    return document if isinstance(document, dict) else {}
