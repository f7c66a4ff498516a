"""What the demo's Prometheus scrapes, and how it is started."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from shopwatch_engine.demo.addresses import LOOPBACK
from shopwatch_engine.demo.processes import Command
from shopwatch_engine.durations import format_duration
from shopwatch_engine.servers import FoundServer

NAME: Final = "prometheus"
_FILE: Final = "prometheus.yml"


def config(targets: Mapping[str, tuple[int, ...]], *, interval_s: float) -> dict[str, Any]:
    """A configuration that scrapes loopback ports.

    Args:
        targets: ports by job.
        interval_s: seconds between two scrapes.
    """
    interval = format_duration(interval_s)
    return {
        "global": {"scrape_interval": interval, "scrape_timeout": interval, "evaluation_interval": interval},
        "scrape_configs": [
            {"job_name": job, "static_configs": [{"targets": [f"{LOOPBACK}:{port}" for port in ports]}]}
            for job, ports in targets.items()
        ],
    }


def command(
    found: FoundServer, *, folder: Path, port: int, document: Mapping[str, Any], environ: Mapping[str, str]
) -> Command:
    """How it is started; writes its configuration into a folder, which will hold its data too."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _FILE).write_text(yaml.safe_dump(dict(document), sort_keys=False), encoding="utf-8")
    return Command(
        name=NAME,
        argv=(
            *found.command("prometheus", folders=(folder,)),
            f"--config.file={folder / _FILE}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={LOOPBACK}:{port}",
            "--enable-feature=exemplar-storage",
            "--log.level=warn",
            *_pages(found),
        ),
        environ=environ,
        folder=folder,
        # SIGKILL would leave the container of an image running
        death_signal=signal.SIGTERM if found.image else signal.SIGKILL,
    )


def _pages(found: FoundServer) -> tuple[str, ...]:
    """Where the web pages are, for Debian's build when it is not installed but only unpacked."""
    unpacked = Path(found.paths["prometheus"][0]).parent.parent / "share" / "prometheus" / "web"
    if found.image or unpacked.is_relative_to("/usr") or not (unpacked / "templates").is_dir():
        return ()
    return (f"--web.local-assets={unpacked}",)
