"""Real servers for the tests that need them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from real_prometheus import RealPrometheus, StartPrometheus, running_prometheus
from shopwatch_engine.servers import FoundServer, find


@pytest.fixture(scope="session")
def prometheus_binaries() -> FoundServer:
    """Prometheus and promtool; fails with the remedy where they cannot be had."""
    return find("prometheus", environ=os.environ)


@pytest.fixture
def prometheus(
    prometheus_binaries: FoundServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[StartPrometheus]:
    """Starts Prometheus servers (see ``running_prometheus``); all are ended with the test."""
    with ExitStack() as running:

        def start(**config: Any) -> RealPrometheus:
            folder = tmp_path_factory.mktemp("prometheus")
            return running.enter_context(running_prometheus(prometheus_binaries, folder, **config))

        yield start
