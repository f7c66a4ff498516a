"""Starts one service of the shop: ``python -m shop orders --port 8003``."""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from types import FrameType
from typing import Final

import uvicorn

from shop.service import Service
from shop.settings import PORTS, Settings, SettingsError
from shopwatch import instrument

_END_WITHIN_S: Final = 5
_KEEP_ALIVE_S: Final = 75  # longer than clients keep idle connections (httpx: 5 s), so that they close first


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Serve until SIGTERM or SIGINT; the exit status, 2 for settings that cannot be used."""
    asked = _parser().parse_args(arguments)
    try:
        settings = Settings.read(environ)
        service = _build(asked.service, settings)
    except SettingsError as error:
        sys.stderr.write(f"shop {asked.service}: {error}\n")
        return 2
    instrument(
        service.app,
        service=asked.service,
        version=settings.version,
        environment=settings.environment,
        peers=settings.peers,
        readiness=service.readiness,
    )
    logging.getLogger("httpx").setLevel(logging.WARNING)  # our own log line says all of a request already
    _end_well_on(signal.SIGTERM, signal.SIGINT)
    uvicorn.run(
        service.app,
        host=settings.host,
        port=PORTS[asked.service] if asked.port is None else asked.port,
        log_config=None,
        access_log=False,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=_END_WITHIN_S,
    )
    return 0


def _build(name: str, settings: Settings) -> Service:
    """The named service; only its own module is loaded, since the others take their time to start."""
    build: Callable[[Settings], Service] = importlib.import_module(f"shop.{name}").build
    return build(settings)


def _end_well_on(*signals: signal.Signals) -> None:
    """Let the signal, which uvicorn raises once more when it is done, be the end and no crash."""

    def end(_number: int, _frame: FrameType | None) -> None:
        sys.exit(0)

    for number in signals:
        signal.signal(number, end)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m shop", description="Start one service of the demo shop.")
    parser.add_argument("service", choices=PORTS)
    parser.add_argument("--port", type=int, help="to listen on; the service's own when it is not given")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
