"""One Prometheus, one target and one strict sandbox for all acceptance tests; an engine for each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from acceptance.gauges import Gauges, scraped_gauges
from acceptance.real_engine import RealEngine, SandboxProcess
from real_prometheus import RealPrometheus, running_prometheus
from shopwatch_engine.servers import FoundServer

StartEngine = Callable[[str], RealEngine]


@pytest.fixture(scope="module")
def target() -> Iterator[tuple[Gauges, str]]:
    with scraped_gauges() as running:
        yield running


@pytest.fixture(scope="module")
def gauges(target: tuple[Gauges, str]) -> Gauges:
    return target[0]


@pytest.fixture(scope="module")
def metrics(
    prometheus_binaries: FoundServer, target: tuple[Gauges, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RealPrometheus]:
    scrape = [{"job_name": "test", "static_configs": [{"targets": [target[1]]}]}]
    with running_prometheus(prometheus_binaries, tmp_path_factory.mktemp("prom"), scrape=scrape) as running:
        yield running


@pytest.fixture(scope="module")
def pagers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    sandbox = SandboxProcess(folder=tmp_path_factory.mktemp("sandbox"))
    try:
        sandbox.start()
        yield sandbox
    finally:
        sandbox.stop()


@pytest.fixture
def engine(metrics: RealPrometheus, pagers: SandboxProcess, tmp_path: Path) -> Iterator[StartEngine]:
    """Makes an engine with the rules given; the test starts it."""
    made: list[RealEngine] = []

    def make(rules: str) -> RealEngine:
        one = RealEngine(folder=tmp_path, prometheus=metrics.url, sandbox=pagers.url, rules=rules)
        one.write_definitions()
        made.append(one)
        return one

    yield make
    for one in made:
        one.stop()
