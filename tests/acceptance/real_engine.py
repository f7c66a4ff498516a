"""`shopwatch run` as a process of its own, against real servers, configured as a user would."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from real_prometheus import free_port, wait_until

STOP_S = 15.0


def get_json(url: str) -> Any:
    """What an address answers."""
    with urllib.request.urlopen(url, timeout=5) as answer:
        return json.load(answer)


@dataclass(kw_only=True)
class RealEngine:
    """An engine that can be killed and started again on the same store."""

    folder: Path
    prometheus: str
    sandbox: str
    rules: str
    group_interval: str = "200ms"
    group_by: str = "alertname"
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def store(self) -> str:
        return f"sqlite:///{self.folder / 'shopwatch.sqlite3'}"

    @property
    def log(self) -> str:
        return (self.folder / "engine.log").read_text(encoding="utf-8", errors="replace")

    def write_definitions(self) -> None:
        """The rules folder and the routing file."""
        folder = self.folder / "alert_rules"
        folder.mkdir(exist_ok=True)
        (folder / "rules.yml").write_text(self.rules, encoding="utf-8")
        receiver = {
            "name": "on-call",
            "pagerduty_configs": [{"routing_key": "k" * 32, "url": f"{self.sandbox}/v2/enqueue"}],
            "opsgenie_configs": [{"api_key": "made-up", "api_url": f"{self.sandbox}/"}],
        }
        route = {
            "receiver": "on-call",
            "group_by": [self.group_by],
            "group_wait": "0s",
            "group_interval": self.group_interval,
        }
        routing = {"route": route, "receivers": [receiver]}
        (self.folder / "routing.yml").write_text(yaml.safe_dump(routing), encoding="utf-8")

    def start(self, environ: Mapping[str, str] | None = None, *, ready: bool = True) -> None:
        """Start it; wait until it is ready, unless it is to die before."""
        settings = {
            "SHOPWATCH_PROMETHEUS": self.prometheus,
            "SHOPWATCH_RULES": str(self.folder / "alert_rules"),
            "SHOPWATCH_ROUTING": str(self.folder / "routing.yml"),
            "SHOPWATCH_STORE": self.store,
            "SHOPWATCH_SCRAPE_INTERVAL": "200ms",
            "SHOPWATCH_LISTEN": f"127.0.0.1:{self.port}",
        }
        command = [sys.executable, "-m", "shopwatch_engine.cli", "run"]
        with (self.folder / "engine.log").open("ab") as log:
            self.process = subprocess.Popen(
                command, env={**os.environ, **settings, **(environ or {})}, stdout=log, stderr=log
            )
        if ready:
            wait_until(self.is_ready, within_s=20, what=f"engine ready: {self.log}")

    def is_ready(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise AssertionError(f"the engine ended with {self.process.returncode}:\n{self.log}")
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=1) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def wait_until_killed(self, within_s: float = 30.0) -> None:
        """Wait until it died of SIGKILL."""
        assert self.process is not None
        try:
            code = self.process.wait(within_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the engine never came to the step:\n{self.log}") from None
        assert code == -signal.SIGKILL, self.log

    def kill(self) -> None:
        """SIGKILL."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(STOP_S)

    def stop(self) -> int | None:
        """End it, politely first."""
        process, self.process = self.process, None
        if process is None:
            return None
        process.send_signal(signal.SIGTERM)
        try:
            return process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()

    def alerts(self) -> dict[str, dict[str, Any]]:
        """Its alerts by name."""
        found = get_json(f"{self.url}/api/v1/alerts")["data"]["alerts"]
        return {alert["labels"]["alertname"]: alert for alert in found}

    def deliveries(self, action: str) -> list[str]:
        """The states of what it owed of one kind, for all its incidents."""
        return [
            delivery["state"]
            for incident in get_json(f"{self.url}/api/v1/incidents")
            for delivery in incident["deliveries"]
            if delivery["action"] == action
        ]


@dataclass(kw_only=True)
class SandboxProcess:
    """`shopwatch sandbox` as a process of its own."""

    folder: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it and wait until it answers."""
        command = [
            sys.executable,
            "-m",
            "shopwatch_engine.cli",
            "sandbox",
            "--listen",
            f"127.0.0.1:{self.port}",
        ]
        with (self.folder / "sandbox.log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        wait_until(self._answers, within_s=20, what="sandbox ready")

    def stop(self) -> None:
        """End it."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(STOP_S)

    def incidents(self, title: str = "") -> list[dict[str, Any]]:
        """What both pagers hold, of one title if one is given."""
        found: list[dict[str, Any]] = get_json(f"{self.url}/api/incidents")
        return [one for one in found if title in one["title"]]

    def control(self, pager: str, **fault: object) -> None:
        """Make a pager behave so from now on."""
        request = urllib.request.Request(
            f"{self.url}/control/{pager}", data=json.dumps(fault).encode(), method="PUT"
        )
        request.add_header("content-type", "application/json")
        urllib.request.urlopen(request, timeout=5).close()

    def _answers(self) -> bool:
        try:
            return self.incidents() == []
        except (urllib.error.URLError, OSError):
            return False
