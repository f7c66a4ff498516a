"""CPU time of a scrape: one process' histograms written out, and those of eight workers collected.

Writing: 6,250 histograms of 14 buckets, which are 106,250 lines, by ``shopwatch`` and by prometheus_client's
``generate_latest`` of its own histograms with the same labels and observations. Collecting: eight processes'
files with 200 histograms each, read and added up by a ninth, by ``shopwatch``'s group and by
prometheus_client's ``MultiProcessCollector``; its files are opened anew for each scrape, as it does. Medians
of interleaved rounds.

Run it: ``python benchmarks/exposition.py [--rounds N]``.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from shopwatch import catalogue
from shopwatch.exposition import expose
from shopwatch.metrics import Instruments
from shopwatch.workers import Group

_WORKERS = 8
_ROUTES = 50
_STATUSES = ("200", "201", "404", "500")
_BUCKETS = catalogue.HTTP_SERVER_DURATION.buckets
_LABELS = ("service_name", "service_version", "shopwatch_track", *catalogue.HTTP_SERVER_DURATION.labels)


def _instruments(registry: CollectorRegistry, group: Group | None = None) -> Instruments:
    return Instruments(
        registry, service="orders", version="1", track="stable", max_series=100_000, group=group
    )


def _fill(instruments: Instruments, routes: int) -> None:
    durations = instruments.bound(catalogue.HTTP_SERVER_DURATION)
    for route in range(routes):
        for status in _STATUSES:
            durations.series(("GET", f"/route/{route}", status, "http", "")).observe(route % 17 / 7)


def _fill_theirs(family: Histogram, routes: int) -> None:
    for route in range(routes):
        for status in _STATUSES:
            child = family.labels("orders", "1", "stable", "GET", f"/route/{route}", status, "http", "")
            child.observe(route % 17 / 7)


def work(ours: str, theirs: str) -> None:
    """What one worker does: record, say so, and stay until its input ends."""
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = theirs
    _fill(_instruments(CollectorRegistry(), Group(Path(ours))), _ROUTES)
    family = Histogram(
        "http_server_request_duration_seconds", "d", _LABELS, buckets=_BUCKETS, registry=CollectorRegistry()
    )
    _fill_theirs(family, _ROUTES)
    print("ready", flush=True)
    sys.stdin.read()


def _cpu(run: Callable[[], object]) -> float:
    started = time.process_time()
    run()
    return (time.process_time() - started) * 1e3


def _compare(name: str, ours: Callable[[], object], theirs: Callable[[], object], rounds: int) -> None:
    taken: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        taken[0].append(_cpu(ours))
        taken[1].append(_cpu(theirs))
    own, other = (statistics.median(times) for times in taken)
    print(
        f"{name:44} shopwatch {own:8.1f} ms, prometheus_client {other:8.1f} ms: 1/{other / own:.1f}",
        flush=True,
    )


def _writing(rounds: int) -> None:
    routes = 6_250 // len(_STATUSES)
    registry, others = CollectorRegistry(), CollectorRegistry()
    _fill(_instruments(registry), routes)
    _fill_theirs(
        Histogram("http_server_request_duration_seconds", "d", _LABELS, buckets=_BUCKETS, registry=others),
        routes,
    )
    lines = expose(registry, "").body.count(b"\n")
    _compare(
        f"writing {lines:,} lines of histograms",
        lambda: expose(registry, ""),
        lambda: generate_latest(others),
        rounds,
    )


def _collecting(rounds: int) -> None:
    with tempfile.TemporaryDirectory() as ours, tempfile.TemporaryDirectory() as theirs:
        code = (
            "import sys; sys.path.insert(0, sys.argv[1]); import exposition; exposition.work(*sys.argv[2:])"
        )
        command = [sys.executable, "-c", code, str(Path(__file__).parent), ours, theirs]
        environ = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": theirs}
        workers = [
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environ)
            for _ in range(_WORKERS)
        ]
        try:
            for worker in workers:
                assert worker.stdout is not None
                assert worker.stdout.readline() == "ready\n"
            registry = CollectorRegistry()
            _instruments(registry, Group(Path(ours)))
            others = CollectorRegistry()
            MultiProcessCollector(others, path=theirs)
            expose(registry, "")

            def scrape() -> None:
                time.sleep(0.06)  # one reading serves for 50 ms: each is to be a new one
                expose(registry, "")

            count = _WORKERS * _ROUTES * len(_STATUSES)
            _compare(
                f"collecting {count:,} histograms of 8 workers",
                scrape,
                lambda: generate_latest(others),
                rounds,
            )
        finally:
            for worker in workers:
                worker.communicate(timeout=10)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=7, help="rounds of each")
    chosen = parser.parse_args()
    print(f"CPU a scrape, medians of {chosen.rounds} interleaved rounds")
    _writing(chosen.rounds)
    _collecting(chosen.rounds)


if __name__ == "__main__":
    main()
