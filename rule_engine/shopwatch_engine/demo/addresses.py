"""Free addresses on this machine."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from contextlib import ExitStack

LOOPBACK = "127.0.0.1"


def free_ports(names: Iterable[str]) -> dict[str, int]:
    """A loopback port for each name, all different, that nobody listens on now.

    Somebody may take one before it is used; whoever starts servers on them must be ready for that.
    """
    with ExitStack() as held:
        servers = {name: held.enter_context(socket.create_server((LOOPBACK, 0))) for name in names}
        return {name: int(server.getsockname()[1]) for name, server in servers.items()}
