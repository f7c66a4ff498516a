"""What is known of the demo shop before it runs: its services and faults, asked of its own code."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from shopwatch_engine.demo.play import Fault
from shopwatch_engine.exceptions import EngineError

_ASK_SHOP: Final = """
import json
from dataclasses import asdict
from shop.faults import FAULTS
from shop.settings import PORTS

faults = [{**asdict(fault), "mechanism": fault.mechanism.value} for fault in FAULTS]
print(json.dumps({"services": list(PORTS), "faults": faults}))
"""


class DemoError(EngineError):
    """The demo cannot be put on; the message says why, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """The shop: the folder that holds the package, its services, and its faults."""

    folder: Path
    services: tuple[str, ...]
    faults: tuple[Fault, ...]


def read_shop(path: Path, environ: Mapping[str, str]) -> Shop:
    """The shop in a folder, asked by a Python of its own.

    Raises:
        DemoError: there is none, or it does not say what faults it has.
    """
    if not (path / "faults.py").is_file():
        raise DemoError(
            f"no demo shop in {path}: run this in a clone of the repository, or name its folder with --shop"
        )
    folder = path.resolve().parent
    answer = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", _ASK_SHOP],
        env={**plain_environ(environ), "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    if answer.returncode:
        raise DemoError(f"the shop in {path} cannot be asked for its faults:\n{answer.stderr.strip()}")
    told = json.loads(answer.stdout)
    faults = tuple(Fault(**fault) for fault in told["faults"])
    return Shop(folder=folder, services=tuple(told["services"]), faults=faults)


def plain_environ(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment for children: no setting of a shop, an engine or an exporter, and no proxy."""
    foreign = ("SHOPWATCH_", "SHOP_", "OTEL_", "PYTHON")
    kept = {name: value for name, value in environ.items() if not name.startswith(foreign)}
    kept = {name: value for name, value in kept.items() if not name.lower().endswith("_proxy")}
    return {**kept, "PYTHONUNBUFFERED": "1"}
