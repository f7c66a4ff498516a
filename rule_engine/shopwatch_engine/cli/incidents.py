"""``shopwatch incidents``: what happened, and what was delivered to whom."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from shopwatch_engine.api import incident_json
from shopwatch_engine.exceptions import StoreError
from shopwatch_engine.model import Action, Delivery, DeliveryState, IncidentRecord
from shopwatch_engine.store import open_store

_MARKS = {
    DeliveryState.DELIVERED: "[green]delivered[/]",
    DeliveryState.PENDING: "[yellow]pending[/]",
    DeliveryState.DEAD: "[red]refused[/]",
    DeliveryState.SUPERSEDED: "[dim]superseded[/]",
}


def incidents(
    store: Annotated[
        str, typer.Option(envvar="SHOPWATCH_STORE", help="The store that `shopwatch run` writes.")
    ] = "sqlite:///shopwatch.sqlite3",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many, newest first.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON list.")] = False,
) -> None:
    """Show incidents, newest first, with what each pager was told. Exits 3 when the store cannot be read."""
    try:
        records = asyncio.run(_read(store, limit))
    except StoreError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(3) from error
    if as_json:
        typer.echo(json.dumps([incident_json(record) for record in records], indent=2))
        return
    console = Console(highlight=False)
    if not records:
        console.print("No incident yet.")
        return
    console.print(_table(records))


async def _read(url: str, limit: int) -> tuple[IncidentRecord, ...]:
    store = open_store(url, read_only=True)
    try:
        return await store.incidents(limit=limit)
    finally:
        await store.close()


def _table(records: tuple[IncidentRecord, ...]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 1, 0))
    for name in ("Opened", "Lasted", "Status", "Incident", "Told"):
        table.add_column(name, overflow="fold", no_wrap=name in ("Opened", "Lasted", "Status"))
    for record in records:
        incident = record.incident
        opened = datetime.fromtimestamp(incident.opened_at, UTC)
        colour = "green" if incident.resolved_at else "red"
        table.add_row(
            f"{opened:%Y-%m-%d %H:%M:%S}",
            _lasted(record),
            f"[{colour}]{incident.status.value}[/]",
            f"[bold]{incident.severity}[/] {_plain(incident.title)}",
            "\n".join(_told(delivery) for delivery in record.deliveries) or "[dim]nobody[/]",
        )
    return table


def _lasted(record: IncidentRecord) -> str:
    if record.incident.resolved_at is None:
        return "open"
    seconds = round(record.incident.resolved_at - record.incident.opened_at)
    return f"{seconds // 60} min {seconds % 60:02} s" if seconds >= 60 else f"{seconds} s"


def _told(delivery: Delivery) -> str:
    tries = f" after {delivery.attempts} tries" if delivery.attempts > 1 else ""
    why = f": {_plain(delivery.error)}" if delivery.error and delivery.action is not Action.EVIDENCE else ""
    return f"{delivery.integration} {delivery.action.value} {_MARKS[delivery.state]}{tries}{why}"


def _plain(text: str) -> str:
    return text.replace("[", r"\[")
