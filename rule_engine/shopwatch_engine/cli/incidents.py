"""``shopwatch incidents``: what happened, and what was delivered to whom."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console

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
    console = Console(highlight=False, soft_wrap=True)
    if not records:
        console.print("No incident yet.")
        return
    for record in records:
        _show(console, record)


async def _read(url: str, limit: int) -> tuple[IncidentRecord, ...]:
    store = open_store(url, read_only=True)
    try:
        return await store.incidents(limit=limit)
    finally:
        await store.close()


def _show(console: Console, record: IncidentRecord) -> None:
    incident = record.incident
    opened = datetime.fromtimestamp(incident.opened_at, UTC)
    colour = "green" if incident.resolved_at else "red"
    console.print(
        f"{opened:%Y-%m-%d %H:%M:%S}  [{colour}]{incident.status.value}[/], {_lasted(record)}, "
        f"{incident.severity}: [bold]{_plain(incident.title)}[/]"
    )
    for integration, deliveries in _by_integration(record.deliveries).items():
        told = ", ".join(_told(delivery) for delivery in deliveries)
        console.print(f"    {integration}: {told}")
    if not record.deliveries:
        console.print(f"    {incident.receiver}: wakes nobody")


def _by_integration(deliveries: tuple[Delivery, ...]) -> dict[str, list[Delivery]]:
    found: dict[str, list[Delivery]] = {}
    for delivery in deliveries:
        found.setdefault(delivery.integration, []).append(delivery)
    return found


def _lasted(record: IncidentRecord) -> str:
    if record.incident.resolved_at is None:
        return "still open"
    seconds = round(record.incident.resolved_at - record.incident.opened_at)
    return f"{seconds // 60} min {seconds % 60} s" if seconds >= 60 else f"{seconds} s"


def _told(delivery: Delivery) -> str:
    tries = f" after {delivery.attempts} tries" if delivery.attempts > 1 else ""
    why = f": {_plain(delivery.error)}" if delivery.error and delivery.action is not Action.EVIDENCE else ""
    return f"{delivery.action.value} {_MARKS[delivery.state]}{tries}{why}"


def _plain(text: str) -> str:
    return text.replace("[", r"\[")
