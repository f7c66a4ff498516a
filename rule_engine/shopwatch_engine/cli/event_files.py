"""Files in which a team declares business events of its own."""

from __future__ import annotations

import runpy
import traceback
from pathlib import Path

import typer

from shopwatch.catalogue import Event


def declare_events(file: Path) -> tuple[type[Event], ...]:
    """Run a file, and check the events that it declares; their metrics are known from then on.

    Raises:
        typer.BadParameter: it cannot be run, or an event in it cannot be; with file and line.
    """
    try:
        made = runpy.run_path(str(file))
        events = tuple(
            found
            for found in made.values()
            if isinstance(found, type) and issubclass(found, Event) and found.__module__ == "<run_path>"
        )
        for event in events:
            event.shape()
    except Exception as error:
        raise typer.BadParameter(f"{_place(file, error)}: {error}", param_hint="--events") from error
    if not events:
        raise typer.BadParameter(f"{file}: declares no event (a subclass of Event)", param_hint="--events")
    return events


def _place(file: Path, error: Exception) -> str:
    """File and line of the mistake, as far as it is in the file itself."""
    lines = [one.lineno for one in traceback.extract_tb(error.__traceback__) if one.filename == str(file)]
    return f"{file}:{lines[-1]}" if lines else str(file)
