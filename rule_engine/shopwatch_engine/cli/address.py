"""HOST:PORT as an option's value."""

from __future__ import annotations

import typer


def host_and_port(listen: str, *, option: str = "--listen") -> tuple[str, int]:
    """The two parts of HOST:PORT; an IPv6 host stands in brackets.

    Raises:
        BadParameter: it is something else.
    """
    host, _, port = listen.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise typer.BadParameter(f"{listen!r} is not HOST:PORT, such as 127.0.0.1:8025", param_hint=option)
    return host, int(port)
