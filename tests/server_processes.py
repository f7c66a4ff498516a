"""Real application servers as processes on a free loopback port, for the tests of the library."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from library_server import eventually

SERVICES = Path(__file__).parent / "services"


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A server that answers."""

    url: str
    process: subprocess.Popen[str]
    log: Path

    def get(self, path: str, **headers: str) -> httpx.Response:
        """Ask over a connection of its own, so that any worker may answer."""
        return httpx.get(f"{self.url}{path}", headers=headers, timeout=10)

    def lines(self) -> list[str]:
        """What it has written so far."""
        return self.log.read_text(errors="replace").splitlines()


def free_port() -> int:
    """A loopback port that nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


@contextlib.contextmanager
def running(
    command: Sequence[str], log: Path, environ: Mapping[str, str] | None = None, ready: str = "/healthz"
) -> Iterator[Server]:
    """Run ``python -m command``, in which ``{port}`` stands for its port, until the block ends."""
    port = free_port()
    given = {
        **os.environ,
        "PYTHONPATH": str(SERVICES),
        "OTEL_TRACES_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
    }
    with log.open("w") as written:
        process = subprocess.Popen(
            [sys.executable, "-m", *(part.replace("{port}", str(port)) for part in command)],
            stdout=written,
            stderr=subprocess.STDOUT,
            env={
                **given,
                **{name: value.replace("{port}", str(port)) for name, value in (environ or {}).items()},
            },
            text=True,
        )
    server = Server(url=f"http://127.0.0.1:{port}", process=process, log=log)
    try:
        eventually(lambda: _answers(server, ready), within_s=30)
        yield server
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(15)


def _answers(server: Server, path: str) -> bool:
    assert server.process.poll() is None, server.log.read_text()
    with contextlib.suppress(httpx.TransportError):
        return server.get(path).status_code == 200
    return False
