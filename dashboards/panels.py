"""How a panel looks: the one place that knows Grafana's dashboard model."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from grafana_foundation_sdk.builders import common as common_builders
from grafana_foundation_sdk.builders import dashboard as dashboards
from grafana_foundation_sdk.builders import prometheus, timeseries
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models import dashboard as models

DATASOURCE_VARIABLE: Final = "datasource"
COLUMNS: Final = 24
_HEIGHT: Final = 8
_SOURCE: Final = common.DataSourceRef(type_val="prometheus", uid=f"${{{DATASOURCE_VARIABLE}}}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One expression, and the legend of its series; exemplars are dots that link to traces."""

    expr: str
    legend: str
    exemplars: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """One time series panel.

    ``unit`` is Grafana's id of it. ``maximum`` bounds the axis. ``warn`` and ``bad`` draw lines in the
    unit; below them is bad when ``low_is_bad``.
    """

    title: str
    description: str
    unit: str
    queries: Sequence[Query]
    maximum: float | None = None
    warn: float | None = None
    bad: float | None = None
    low_is_bad: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A titled row of panels of equal width."""

    title: str
    graphs: Sequence[Graph]


def add_rows(dashboard: dashboards.Dashboard, rows: Sequence[Row]) -> None:
    """Append rows and their panels, numbered from 1; Grafana's builder places them."""
    ids = itertools.count(1)
    for row in rows:
        dashboard.with_row(dashboards.Row(row.title).id(next(ids)))
        for graph in row.graphs:
            dashboard.with_panel(_panel(graph, width=COLUMNS // len(row.graphs)).id(next(ids)))


def _panel(graph: Graph, *, width: int) -> timeseries.Panel:
    panel = (
        timeseries.Panel()
        .title(graph.title)
        .description(graph.description)
        .datasource(_SOURCE)
        .unit(graph.unit)
        .min(0)
        .span(width)
        .height(_HEIGHT)
        .line_width(1)
        .fill_opacity(8)
        .show_points(common.VisibilityMode.NEVER)
        .tooltip(common_builders.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI))
        .legend(_legend())
    )
    if graph.maximum is not None:
        panel.max(graph.maximum)
    if steps := _steps(graph):
        panel.thresholds(dashboards.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(steps))
        panel.thresholds_style(
            common_builders.GraphThresholdsStyleConfig().mode(common.GraphThresholdsStyleMode.DASHED)
        )
    for index, query in enumerate(graph.queries):
        panel.with_target(_target(query, ref_id=chr(ord("A") + index)))
    return panel


def _legend() -> common_builders.VizLegendOptions:
    return (
        common_builders.VizLegendOptions()
        .show_legend(True)  # noqa: FBT003 - the builder takes it by position
        .display_mode(common.LegendDisplayMode.LIST)
        .placement(common.LegendPlacement.BOTTOM)
    )


def _steps(graph: Graph) -> list[models.Threshold]:
    """Colours from the lowest value up; the first step has no value of its own."""
    lines = [
        (value, color) for value, color in ((graph.warn, "orange"), (graph.bad, "red")) if value is not None
    ]
    if not lines:
        return []
    if not graph.low_is_bad:
        return [models.Threshold(value=value, color=color) for value, color in [(None, "green"), *lines]]
    values = [None, *sorted(value for value, _ in lines)]
    colors = [color for _, color in sorted(lines)] + ["green"]
    return [models.Threshold(value=value, color=color) for value, color in zip(values, colors, strict=True)]


def _target(query: Query, *, ref_id: str) -> prometheus.Dataquery:
    return (
        prometheus.Dataquery()
        .datasource(_SOURCE)
        .expr(query.expr)
        .legend_format(query.legend)
        .exemplar(query.exemplars)
        .range()
        .ref_id(ref_id)
    )
