"""A real Prometheus on a free loopback port, in a folder of its own, ended by its process id."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from shopwatch_engine.servers import FoundServer

READY_S = 30.0
STOP_S = 15.0


def free_port() -> int:
    """A loopback port that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def wait_until(condition: Callable[[], Any], *, within_s: float, what: str) -> Any:
    """The condition's first true value; an AssertionError when there is none in time."""
    until = time.monotonic() + within_s
    while True:
        if value := condition():
            return value
        if time.monotonic() > until:
            raise AssertionError(f"not within {within_s:g} s: {what}")
        time.sleep(0.02)


@dataclass(slots=True, kw_only=True)
class RealPrometheus:
    """A Prometheus that can be stopped and started again, on the same port and data."""

    binaries: FoundServer
    folder: Path
    flags: tuple[str, ...] = ()
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return (self.folder / "prometheus.log").read_text(encoding="utf-8", errors="replace")

    def start(self) -> None:
        """Start it, and wait until it is ready."""
        command = [
            *self.binaries.command("prometheus", folders=(self.folder,)),
            f"--config.file={self.folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={self.folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{self.port}",
            "--enable-feature=exemplar-storage",
            "--log.level=warn",
            *self.flags,
        ]
        with (self.folder / "prometheus.log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        wait_until(self._ready, within_s=READY_S, what=f"Prometheus ready ({self.folder})")

    def stop(self) -> None:
        """End it, politely first."""
        process, self.process = self.process, None
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def query(self, expr: str) -> list[dict[str, Any]]:
        """The vector of an expression now."""
        text = urllib.parse.urlencode({"query": expr})
        with urllib.request.urlopen(f"{self.url}/api/v1/query?{text}", timeout=5) as answer:
            found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
            return found

    def wait_for(self, expr: str, *, within_s: float = 20.0) -> list[dict[str, Any]]:
        """The vector of an expression once it is not empty."""
        found: list[dict[str, Any]] = wait_until(lambda: self.query(expr), within_s=within_s, what=expr)
        return found

    def _ready(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise AssertionError(f"Prometheus ended with {self.process.returncode}:\n{self.log}")
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=1) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False


StartPrometheus = Callable[..., RealPrometheus]
"""The fixture ``prometheus``: takes what ``running_prometheus`` takes."""


@contextmanager
def running_prometheus(
    binaries: FoundServer,
    folder: Path,
    *,
    scrape: Sequence[dict[str, Any]] = (),
    rules: str = "",
    interval: str = "200ms",
    flags: Sequence[str] = (),
    alertmanagers: Sequence[dict[str, Any]] = (),
) -> Iterator[RealPrometheus]:
    """A Prometheus that scrapes and evaluates these, until the block ends."""
    every = {"scrape_interval": interval, "scrape_timeout": interval, "evaluation_interval": interval}
    config: dict[str, Any] = {"global": every, "scrape_configs": list(scrape)}
    if alertmanagers:
        config["alerting"] = {"alertmanagers": list(alertmanagers)}
    if rules:
        (folder / "rules.yml").write_text(rules, encoding="utf-8")
        config["rule_files"] = ["rules.yml"]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
    server = RealPrometheus(binaries=binaries, folder=folder, flags=tuple(flags))
    try:
        server.start()
        yield server
    finally:
        server.stop()
