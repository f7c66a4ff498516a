"""``shopwatch catalogue``: every metric and event, as a page of Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Literal, get_args, get_origin, get_type_hints

import typer

from shopwatch import catalogue as names
from shopwatch.catalogue import Event, Metric
from shopwatch_engine.cli.event_files import declare_events

_GROUPS = (
    ("HTTP and other calls", names.HTTP_METRICS),
    ("Databases and caches", names.DATABASE_METRICS),
    ("Queues and jobs", names.MESSAGING_METRICS),
    ("Business", names.SHOP_METRICS),
    ("Process and health", names.RUNTIME_METRICS),
    ("The library itself", names.TELEMETRY_METRICS),
    ("The rule engine", names.ENGINE_METRICS),
)


def catalogue(
    events: Annotated[
        list[Path] | None,
        typer.Option(help="Python file that declares a team's own events; may be repeated. It is run."),
    ] = None,
) -> None:
    """Print every metric, label and business event as a page of Markdown."""
    before = set(names.METRICS)
    own = [event for file in events or () for event in declare_events(file)]
    added = [metric for name, metric in names.METRICS.items() if name not in before]
    typer.echo(page(own_events=own, own_metrics=added), nl=False)


def page(*, own_events: Sequence[type[Event]] = (), own_metrics: Sequence[Metric] = ()) -> str:
    """The page."""
    parts = [_HEAD, "## Business events\n", *map(_event, names.EVENTS)]
    for title, metrics in _GROUPS:
        parts.append(_table(title, metrics))
    if own_events:
        parts += ["## Your own events\n", *map(_event, own_events)]
    if own_metrics:
        parts.append(_table("Your own metrics", own_metrics))
    return "\n".join(parts)


_HEAD = f"""# The catalogue

Every name that shopwatch speaks of, made by `shopwatch catalogue`: do not edit this page. Metrics of services
carry the labels {", ".join(f"`{names.prometheus_label(one)}`" for one in names.RESOURCE_LABELS)} besides
their own.
"""


def _event(event: type[Event]) -> str:
    shape = event.shape()
    hints = get_type_hints(event)
    rows = [
        f"| `{field}` | {_type(hints[field])} | {_becomes(field, event)} |"
        for field in (*shape.labels, *shape.measures, *shape.details)
    ]
    told = (event.__doc__ or "").strip()
    counted = f" Counted by `{event.counts.prometheus_name}`." if event.counts is not None else ""
    head = f"### `{event.__name__}` (`{event.name}`)\n\n{told}{counted}\n"
    return "\n".join((head, "| field | type | becomes |", "|---|---|---|", *rows, ""))


def _becomes(field: str, event: type[Event]) -> str:
    shape = event.shape()
    if field in shape.labels:
        return f"label `{names.prometheus_label(shape.labels[field])}`"
    if field in shape.measures:
        return f"`{shape.measures[field].prometheus_name}`"
    return f"`{shape.details[field]}` on span and log line alone"


def _type(hint: object) -> str:
    if get_origin(hint) is Literal:
        return ", ".join(f"`{value}`" if value else "empty" for value in get_args(hint))
    return f"`{hint.__name__ if isinstance(hint, type) else hint}`".replace("|", "or")


def _table(title: str, metrics: Iterable[Metric]) -> str:
    rows = [
        f"| `{metric.prometheus_name}` | {metric.kind.value} | {_labels(metric)} | {metric.description} |"
        for metric in metrics
    ]
    return "\n".join((f"## {title}\n", "| metric | kind | labels | |", "|---|---|---|---|", *rows, ""))


def _labels(metric: Metric) -> str:
    return ", ".join(f"`{one}`" for one in metric.labels) or "none"
