"""``shopwatch sandbox``: PagerDuty and Opsgenie to practise on."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated

import typer

from shopwatch_engine.cli.address import host_and_port
from shopwatch_engine.sandbox.server import RunningSandbox, serve


def sandbox(
    listen: Annotated[
        str,
        typer.Option(
            help="HOST:PORT to listen on; port 0 takes any free one.", envvar="SHOPWATCH_SANDBOX_LISTEN"
        ),
    ] = "127.0.0.1:8025",
    rate_limit: Annotated[
        int, typer.Option(min=0, help="Requests a minute that each pager takes; 0: as many as come.")
    ] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the addresses as one line of JSON.")] = False,
) -> None:
    """PagerDuty and Opsgenie to practise on: their limits, their answers, and a page to look at."""
    host, port = host_and_port(listen)
    try:
        asyncio.run(
            serve(
                host,
                port,
                rate_limit=rate_limit,
                announce=lambda running: _announce(running, as_json=as_json),
            )
        )
    except OSError as error:
        typer.echo(f"cannot listen on {listen}: {error.strerror or error}; try --listen {host}:0", err=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        raise typer.Exit(0) from None


def _announce(running: RunningSandbox, *, as_json: bool) -> None:
    addresses = {
        "page": f"{running.url}/",
        "pagerduty_url": running.pagerduty_url,
        "opsgenie_api_url": running.opsgenie_url,
        "control": f"{running.url}/control",
    }
    if as_json:
        typer.echo(json.dumps(addresses))
        return
    typer.echo("Pager sandbox: nobody is woken.")
    for name, address in addresses.items():
        typer.echo(f"  {name:<18}{address}")
    typer.echo("A routing key is any 32 letters and digits, an API key is anything. Ctrl-C ends it.")
