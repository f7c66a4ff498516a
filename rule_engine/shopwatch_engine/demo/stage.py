"""Which processes the demo has, each with its command and environment, on which ports. Writes their files.

Of the shop it knows ``python -m shop SERVICE --port P``, ``python -m shop.load`` and the ``SHOP_`` variables.
"""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from shopwatch_engine.demo import prometheus
from shopwatch_engine.demo.acceleration import PagerAccess
from shopwatch_engine.demo.addresses import LOOPBACK
from shopwatch_engine.demo.definitions import write_definitions
from shopwatch_engine.demo.play import Fault
from shopwatch_engine.demo.processes import Command
from shopwatch_engine.demo.shop import Shop
from shopwatch_engine.durations import format_duration
from shopwatch_engine.servers import FoundServer

CANARY: Final = "catalogue-canary"
_CANARY_OF: Final = "catalogue"
LOAD: Final = "load"
ATTACK: Final = "attack"
COLLECTOR, SANDBOX, ENGINE = "collector", "sandbox", "engine"
SCRAPE_S: Final = 15.0  # of production, to be divided by the speed
_EXPORT_DELAY_MS: Final = 500
_CUSTOMERS_S: Final = 4.0  # a second
_ATTACKS_S: Final = 10.0  # wrong passwords a second
_LOAD_SECONDS: Final = 7200
_STABLE, _NEXT = "1.4.2", "1.5.0"
_PYTHON: Final = sys.executable
_CLI: Final = (_PYTHON, "-m", "shopwatch_engine.cli")


def process_names(shop: Shop) -> tuple[str, ...]:
    """Every process that needs a port."""
    return (*shop.services, CANARY, prometheus.NAME, COLLECTOR, SANDBOX, ENGINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Everything about the processes but the processes.

    ``work`` is the folder that is theirs; ``ports`` those of ``process_names``; ``environ`` what all get.
    """

    work: Path
    shop: Shop
    found: FoundServer
    speed: float
    ports: Mapping[str, int]
    environ: Mapping[str, str] = field(repr=False)

    @property
    def logs(self) -> Path:
        """The folder of the log files."""
        return self.work / "logs"

    @property
    def scrape_s(self) -> float:
        """Seconds between two scrapes."""
        return SCRAPE_S / self.speed

    def url(self, name: str) -> str:
        """The address of a process."""
        return f"http://{LOOPBACK}:{self.ports[name]}"

    def readiness(self, name: str) -> str:
        """The address that answers 200 once a process is ready."""
        paths = {
            prometheus.NAME: "/-/ready",
            ENGINE: "/-/ready",
            COLLECTOR: "/healthz",
            SANDBOX: "/healthz",
        }
        return self.url(name) + paths.get(name, "/readyz")

    def process_of(self, fault: Fault) -> str:
        """The process that has a fault."""
        return fault.service if fault.track == "stable" else CANARY

    def switch(self, fault: Fault) -> str:
        """The address that switches a fault."""
        return f"{self.url(self.process_of(fault))}/faults/{fault.name}"

    # ---------------------------------------------------------------- commands
    def servers(self) -> tuple[Command, ...]:
        """What the shop stands on: Prometheus, the collector, the sandbox; and the shop."""
        services = (self.service(name) for name in (*self.shop.services, CANARY))
        return (self._prometheus(), self._collector(), self._sandbox(), *services)

    def service(self, name: str) -> Command:
        """One service of the shop."""
        is_canary = name == CANARY
        given = {
            "PYTHONPATH": str(self.shop.folder),
            "SHOPWATCH_TRACK": "canary" if is_canary else "stable",
            "SHOP_VERSION": _NEXT if is_canary else _STABLE,
            "SHOP_FAULTS": "1",
            "SHOP_TOKEN_SECRET_FILE": str(self._token_file),
            "SHOP_CATALOGUE_CANARY_URL": self.url(CANARY),
            **{f"SHOP_{one.upper()}_URL": self.url(one) for one in self.shop.services if one != "gateway"},
            "OTEL_EXPORTER_OTLP_ENDPOINT": self.url(COLLECTOR),
            "OTEL_BSP_SCHEDULE_DELAY": str(_EXPORT_DELAY_MS),
            "OTEL_BLRP_SCHEDULE_DELAY": str(_EXPORT_DELAY_MS),
        }
        service = _CANARY_OF if is_canary else name
        argv = (_PYTHON, "-m", "shop", service, "--port", str(self.ports[name]))
        return self._command(name, argv, **given)

    def load(self, *, attack: bool = False) -> Command:
        """Customers; or somebody who tries passwords."""
        rate = _ATTACKS_S if attack else _CUSTOMERS_S
        argv = (_PYTHON, "-m", "shop.load", "--gateway", self.url("gateway"), "--rate", f"{rate:g}")
        argv = (*argv, "--seconds", str(_LOAD_SECONDS), *(("--attack",) if attack else ()))
        name = ATTACK if attack else LOAD
        return replace(self._command(name, argv, PYTHONPATH=str(self.shop.folder)), ends=0)

    def engine(self) -> Command:
        """The rule engine."""
        return self._command(
            ENGINE,
            (*_CLI, "run"),
            SHOPWATCH_PROMETHEUS=self.url(prometheus.NAME),
            SHOPWATCH_RULES=str(self.work / "rules"),
            SHOPWATCH_ROUTING=str(self.work / "routing.yml"),
            SHOPWATCH_STORE=f"sqlite:///{self.work / 'engine.sqlite3'}",
            SHOPWATCH_LISTEN=f"{LOOPBACK}:{self.ports[ENGINE]}",
            SHOPWATCH_TELEMETRY=self._telemetry,
            SHOPWATCH_EXTERNAL_URL=self.url(ENGINE),
            SHOPWATCH_SCRAPE_INTERVAL=format_duration(self.scrape_s),
        )

    def _prometheus(self) -> Command:
        ports: dict[str, tuple[int, ...]] = {name: (self.ports[name],) for name in self.shop.services}
        ports[_CANARY_OF] = (*ports[_CANARY_OF], self.ports[CANARY])
        return prometheus.command(
            self.found,
            folder=self.work / prometheus.NAME,
            port=self.ports[prometheus.NAME],
            document=prometheus.config(ports, interval_s=self.scrape_s),
            environ=self.environ,
        )

    def _collector(self) -> Command:
        listen = f"{LOOPBACK}:{self.ports[COLLECTOR]}"
        argv = (*_CLI, "collector", "--listen", listen, "--store", self._telemetry)
        return replace(self._command(COLLECTOR, argv), ends=2)  # after those that send to it

    def _sandbox(self) -> Command:
        return self._command(SANDBOX, (*_CLI, "sandbox", "--listen", f"{LOOPBACK}:{self.ports[SANDBOX]}"))

    def _command(self, name: str, argv: Sequence[str], **given: str) -> Command:
        return Command(name=name, argv=tuple(argv), environ={**self.environ, **given}, folder=self.work)

    @property
    def _telemetry(self) -> str:
        return f"sqlite:///{self.work / 'telemetry.sqlite3'}"

    @property
    def _token_file(self) -> Path:
        return self.work / "keys" / "shop-token"

    # ---------------------------------------------------------------- files
    def write(self, rules: Path) -> None:
        """Write definitions, keys and folders.

        Args:
            rules: the folder of the production definitions.

        Raises:
            DemoError: they are not there, or cannot be read.
        """
        for folder in (self.logs, self.work / "rules", self.work / "keys"):
            folder.mkdir(parents=True, exist_ok=True)
        keys = self.work / "keys"
        _write_key(self._token_file, secrets.token_urlsafe(32))
        _write_key(keys / "pagerduty", secrets.token_hex(16))  # 32 characters
        _write_key(keys / "opsgenie", secrets.token_hex(16))
        access = PagerAccess(
            pagerduty_url=f"{self.url(SANDBOX)}/v2/enqueue",
            opsgenie_api_url=f"{self.url(SANDBOX)}/",
            pagerduty_key_file=str(keys / "pagerduty"),
            opsgenie_key_file=str(keys / "opsgenie"),
        )
        write_definitions(rules, self.work, speed=self.speed, access=access)


def _write_key(path: Path, key: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(key)
