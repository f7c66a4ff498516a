"""``shopwatch run``: the rule engine."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from shopwatch_engine.definitions import load_settings
from shopwatch_engine.exceptions import CannotListen, DefinitionError, SourceError, StoreError
from shopwatch_engine.wiring import Service, checkpoint_of

LOG = logging.getLogger(__name__)
EXIT_DEFINITIONS, EXIT_STORE, EXIT_LISTEN = 1, 3, 4


def run(
    prometheus: Annotated[
        str | None, typer.Option(help="Address of Prometheus or what speaks its API. [SHOPWATCH_PROMETHEUS]")
    ] = None,
    rules: Annotated[
        list[Path] | None, typer.Option(help="Rule files or folders; may be repeated. [SHOPWATCH_RULES]")
    ] = None,
    routing: Annotated[
        Path | None, typer.Option(help="Routes and receivers, Alertmanager's format. [SHOPWATCH_ROUTING]")
    ] = None,
    store: Annotated[
        str | None, typer.Option(help="sqlite:///FILE for state and outbox. [SHOPWATCH_STORE]")
    ] = None,
    listen: Annotated[
        str | None, typer.Option(help="HOST:PORT of the engine's own API. [SHOPWATCH_LISTEN]")
    ] = None,
    telemetry: Annotated[
        str | None,
        typer.Option(help="sqlite:///FILE of `shopwatch collector`, for evidence. [SHOPWATCH_TELEMETRY]"),
    ] = None,
    external_url: Annotated[
        str | None, typer.Option(help="Address of this engine as pages link to it. [SHOPWATCH_EXTERNAL_URL]")
    ] = None,
    grafana: Annotated[
        str | None, typer.Option(help="Address of Grafana, for dashboard links. [SHOPWATCH_GRAFANA]")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="A YAML file with the same settings. [SHOPWATCH_CONFIG]")
    ] = None,
) -> None:
    """Evaluate rules, and page. Stops on SIGTERM or Ctrl-C; what is owed then is sent at the next start.

    An option wins over its environment variable, that over the settings file.
    Exits 0 when stopped, 1 for a wrong definition, 3 for a lost store, 4 when it cannot listen.
    """
    given = {
        "prometheus": prometheus,
        "rules": rules,
        "routing": routing,
        "store": store,
        "listen": listen,
        "telemetry": telemetry,
        "external_url": external_url,
        "grafana": grafana,
    }
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)-7s %(name)s: %(message)s"
    )
    overrides = {name: value for name, value in given.items() if value}
    try:
        settings = load_settings(config, os.environ, overrides)
        service = Service.of(settings, checkpoint=checkpoint_of(os.environ))
        asyncio.run(_until_stopped(service))
    except DefinitionError as error:
        _stop(str(error), EXIT_DEFINITIONS)
    except SourceError as error:
        _stop(str(error), EXIT_DEFINITIONS)
    except StoreError as error:
        _stop(str(error), EXIT_STORE)
    except CannotListen as error:
        _stop(str(error), EXIT_LISTEN)


async def _until_stopped(service: Service) -> None:
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    for one in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(one, stopping.set)
    await service.run(stopping)
    LOG.info("stopped; what is still owed will be sent at the next start")


def _stop(message: str, code: int) -> None:
    for line in message.splitlines():
        typer.echo(line, err=True)
    raise typer.Exit(code)
