"""The sandbox as a running server: in a test's own loop, or as a command."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass

import uvicorn

from shopwatch_engine.sandbox.app import Sandbox
from shopwatch_engine.sandbox.faults import Fault
from shopwatch_engine.sandbox.incident import SandboxIncident


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningSandbox:
    """A sandbox that listens."""

    sandbox: Sandbox
    url: str  # http://HOST:PORT, without a slash at the end

    @property
    def pagerduty_url(self) -> str:
        """What to write as ``url`` of a pagerduty_config."""
        return f"{self.url}/v2/enqueue"

    @property
    def opsgenie_url(self) -> str:
        """What to write as ``api_url`` of an opsgenie_config."""
        return f"{self.url}/"

    def incidents(self) -> tuple[SandboxIncident, ...]:
        """What both pagers hold, newest first."""
        return self.sandbox.incidents()

    def set_fault(self, pager: str, fault: Fault) -> None:
        """Make ``pagerduty`` or ``opsgenie`` behave so from now on."""
        self.sandbox.set_fault(pager, fault)


class _EmbeddedServer(uvicorn.Server):
    """A server that leaves the process's signals alone."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def running_sandbox(
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    rate_limit: int = 0,
    process_delay_s: float = 0.02,
    clock: Callable[[], float] = time.time,
) -> AsyncIterator[RunningSandbox]:
    """A sandbox in the running loop, for as long as the context lasts.

    Args:
        host: where to listen.
        port: 0 for any free one.
        rate_limit: requests a minute that each pager takes; 0: as many as come.
        process_delay_s: seconds that Opsgenie takes to process what it accepted.
        clock: the time, seconds since the epoch.

    Raises:
        OSError: the address cannot be listened on.
    """
    sandbox = Sandbox(rate_limit=rate_limit, process_delay_s=process_delay_s, clock=clock)
    listener = _listen(host, port)
    server = _EmbeddedServer(_config(sandbox))
    task = asyncio.create_task(server.serve(sockets=[listener]), name="sandbox")
    try:
        yield RunningSandbox(sandbox=sandbox, url=_url(host, listener.getsockname()[1]))
    finally:
        _release(sandbox)
        server.should_exit = True
        await task


async def serve(
    host: str,
    port: int,
    *,
    rate_limit: int = 0,
    process_delay_s: float = 0.1,
    announce: Callable[[RunningSandbox], None],
) -> None:
    """Run a sandbox until SIGINT or SIGTERM.

    Args:
        host: where to listen.
        port: 0 for any free one.
        rate_limit: requests a minute that each pager takes; 0: as many as come.
        process_delay_s: seconds that Opsgenie takes to process what it accepted.
        announce: called with the addresses once it listens.

    Raises:
        OSError: the address cannot be listened on.
    """
    sandbox = Sandbox(rate_limit=rate_limit, process_delay_s=process_delay_s)
    listener = _listen(host, port)
    announce(RunningSandbox(sandbox=sandbox, url=_url(host, listener.getsockname()[1])))
    server = uvicorn.Server(_config(sandbox))
    try:
        await server.serve(sockets=[listener])
    finally:
        _release(sandbox)


def _config(sandbox: Sandbox) -> uvicorn.Config:
    return uvicorn.Config(
        sandbox.app,
        http=sandbox.wires.protocol(),
        ws="none",
        lifespan="off",
        log_config=None,  # the process's own logging stays as it is
        access_log=False,
        timeout_graceful_shutdown=2,
    )


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(256)
    except OSError:
        listener.close()
        raise
    return listener


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _release(sandbox: Sandbox) -> None:
    """Let held requests go, so that the server can end."""
    for pager in ("pagerduty", "opsgenie"):
        sandbox.set_fault(pager, Fault())
