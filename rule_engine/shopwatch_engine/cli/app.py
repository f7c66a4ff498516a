"""The commands, put together."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated

import typer

from shopwatch_engine.cli.catalogue import catalogue
from shopwatch_engine.cli.check import check
from shopwatch_engine.cli.collector import collector
from shopwatch_engine.cli.demo import demo
from shopwatch_engine.cli.incidents import incidents
from shopwatch_engine.cli.run import run
from shopwatch_engine.cli.sandbox import sandbox

app = typer.Typer(
    name="shopwatch",
    help="Watch an e-commerce platform and wake the right person when it breaks.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,  # a local may hold a key
)


def _show_version(*, wanted: bool) -> None:
    if wanted:
        typer.echo(f"shopwatch {version('shopwatch')}")
        raise typer.Exit


@app.callback()
def _shopwatch(
    _version: Annotated[
        bool,
        typer.Option(
            "--version",
            help="Show the version and exit.",
            callback=lambda wanted: _show_version(wanted=wanted),
            is_eager=True,
        ),
    ] = False,
) -> None:
    """Watch an e-commerce platform and wake the right person when it breaks."""


for command in (demo, run, check, catalogue, incidents, sandbox, collector):
    app.command()(command)
