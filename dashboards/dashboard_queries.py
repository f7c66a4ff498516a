"""The PromQL of a dashboard's JSON, as Grafana would send it.

For whoever runs them: the tests, and the demo's Prometheus. Knows the JSON, not how it was made.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

RATE_INTERVAL_S: Final = 60
"""What Grafana fills in at a scrape interval of 15 s: four of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PanelQuery:
    """One query: the panel that shows it, its reference there, and the expression."""

    panel: str
    ref_id: str
    expr: str


def queries(path: Path, *, rate_interval_s: float = RATE_INTERVAL_S) -> tuple[PanelQuery, ...]:
    """Every query of a dashboard file, its variables filled in.

    Args:
        path: a dashboard's JSON.
        rate_interval_s: for ``$__rate_interval``, in seconds.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no dashboard, or a query has a variable that it does not define.
    """
    dashboard = json.loads(path.read_text(encoding="utf-8"))
    values = {"__rate_interval": f"{round(rate_interval_s * 1000)}ms", **_all_values(dashboard)}
    return tuple(_queries(dashboard["panels"], values))


def _queries(panels: list[dict[str, Any]], values: Mapping[str, str]) -> Iterator[PanelQuery]:
    for panel in panels:
        yield from _queries(panel.get("panels", []), values)
        for target in panel.get("targets", []):
            expr = _filled(target["expr"], values, panel=panel["title"])
            yield PanelQuery(panel=panel["title"], ref_id=target["refId"], expr=expr)


def _all_values(dashboard: Mapping[str, Any]) -> dict[str, str]:
    """What each query variable stands for while the viewer has chosen "All"."""
    variables = dashboard.get("templating", {}).get("list", [])
    return {one["name"]: one["allValue"] for one in variables if one.get("allValue")}


def _filled(expr: str, values: Mapping[str, str], *, panel: str) -> str:
    for name, value in values.items():
        expr = expr.replace(f"${name}", value)
    if "$" in expr:
        raise ValueError(f"panel {panel!r}: {expr} has a variable that the dashboard does not define")
    return expr
