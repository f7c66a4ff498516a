"""``shopwatch collector``: the embedded collector as a process of its own."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Annotated

import typer
import uvicorn

from shopwatch_engine.cli.address import host_and_port
from shopwatch_engine.clock import SystemClock
from shopwatch_engine.durations import format_duration, parse_duration
from shopwatch_engine.embedded import Retention, TelemetryStore, collector_app
from shopwatch_engine.exceptions import StoreFailed

_SQLITE = "sqlite:///"
_GRACE_S = 5
_MEBIBYTE = 1024 * 1024


def collector(
    listen: Annotated[
        str, typer.Option(envvar="SHOPWATCH_COLLECTOR_LISTEN", help="HOST:PORT for OTLP over HTTP.")
    ] = "127.0.0.1:4318",
    store: Annotated[
        str, typer.Option(envvar="SHOPWATCH_COLLECTOR_STORE", help="sqlite:///FILE for log lines and spans.")
    ] = "sqlite:///telemetry.db",
    keep: Annotated[str, typer.Option(help="How long records are kept, as Prometheus writes it.")] = "1d",
    keep_mib: Annotated[int, typer.Option(min=1, help="How many MiB of records are kept.")] = 1024,
) -> None:
    """Take traces and logs over OTLP/HTTP and keep them in one SQLite file."""
    host, port = host_and_port(listen)
    path = _file(store)
    retention = Retention(max_age_s=_seconds(keep), max_bytes=keep_mib * _MEBIBYTE)
    clock = SystemClock()
    try:
        listener = socket.create_server((host, port), family=_family(host))
    except OSError as error:
        typer.echo(f"cannot listen on {listen}: {error.strerror}; name another with --listen", err=True)
        raise typer.Exit(1) from error
    with listener:
        try:
            telemetry = TelemetryStore(path, clock=clock, retention=retention)
        except StoreFailed as error:
            typer.echo(str(error), err=True)
            raise typer.Exit(1) from error
        shown = f"[{host}]" if ":" in host else host
        typer.echo(
            f"collector: OTLP/HTTP on http://{shown}:{listener.getsockname()[1]}, "
            f"keeps {format_duration(retention.max_age_s)} and {keep_mib} MiB in {path}"
        )
        app = collector_app(telemetry, clock=clock)
        config = uvicorn.Config(
            app, log_level="warning", access_log=False, timeout_graceful_shutdown=_GRACE_S, lifespan="on"
        )
        try:
            uvicorn.Server(config).run(sockets=[listener])
        finally:
            telemetry.close()


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _file(store: str) -> Path:
    if not store.startswith(_SQLITE) or store == _SQLITE:
        raise typer.BadParameter(f"{store!r} is not sqlite:///FILE (four slashes for an absolute path)")
    return Path(store.removeprefix(_SQLITE))


def _seconds(text: str) -> float:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
