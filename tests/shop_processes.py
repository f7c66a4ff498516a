"""The demo shop as real processes on free loopback ports, each ended by its own process id."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from real_prometheus import free_port, wait_until

EXAMPLES = Path(__file__).parents[1] / "examples"
SECRET = "made-up-secret-of-more-than-32-characters"
START_S = 90.0  # six processes import all that they need on two busy cores
STOP_S = 15.0


@dataclass(slots=True, kw_only=True)
class ShopProcess:
    """One service of the shop; ``log`` is what it printed."""

    service: str
    environ: Mapping[str, str]
    log_file: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = [sys.executable, "-m", "shop", self.service, "--port", str(self.port)]
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith(("SHOP", "OTEL_"))
        }
        environ = {**inherited, "PYTHONPATH": str(EXAMPLES), **self.environ}
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                command, env=environ, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )

    def wait_until_ready(self) -> None:
        wait_until(self._is_ready, within_s=START_S, what=f"{self.service} ready")

    def _is_ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log_file.read_text(encoding="utf-8")
        try:
            return httpx.get(f"{self.url}/readyz", timeout=2, trust_env=False).status_code == 200
        except httpx.TransportError:
            return False

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """End it; its exit status."""
        assert self.process is not None
        self.process.send_signal(how)
        try:
            return self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Its log lines; each must be JSON."""
        return [json.loads(line) for line in self.log_file.read_text(encoding="utf-8").splitlines()]

    def complaints(self, containing: str) -> list[dict[str, Any]]:
        """Its log lines of level WARN and above that belong to a trace and say this."""
        return [
            line
            for line in self.lines
            if line["severity_number"] >= 13 and containing in line["body"]["text"] and line.get("trace_id")
        ]

    def traces(self, containing: str) -> set[str]:
        """The traces in which it logged this."""
        return {
            line["trace_id"]
            for line in self.lines
            if containing in line["body"]["text"] and "trace_id" in line
        }

    def metric(self, name: str, **labels: str) -> float:
        """The sum of the series of this name that carry these labels."""
        text = httpx.get(f"{self.url}/metrics", timeout=5, trust_env=False).text
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        return sum(
            float(line.rpartition(" ")[2])
            for line in text.splitlines()
            if line.startswith((f"{name}{{", f"{name} ")) and all(pair in line for pair in wanted)
        )
