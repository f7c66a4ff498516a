"""Real servers for the tests that need them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

import real_servers
from real_prometheus import RealPrometheus, StartPrometheus, running_prometheus
from shopwatch_engine.servers import FoundServer, find


@pytest.fixture(autouse=True)
def _libraries_as_they_were() -> Iterator[None]:
    """``instrument`` has libraries watched for as long as the process lives, which is more than one test."""
    yield
    if "shopwatch.hooks.switch" in sys.modules:
        sys.modules["shopwatch.hooks.switch"].off()


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


@pytest.fixture(scope="session")
def redis_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A Redis of the whole run."""
    with real_servers.redis(tmp_path_factory.mktemp("redis")) as port:
        yield port


@pytest.fixture(scope="session")
def memcached_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A memcached of the whole run."""
    with real_servers.memcached(tmp_path_factory.mktemp("memcached")) as port:
        yield port


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Postgres of the whole run."""
    with real_servers.postgres(tmp_path_factory.mktemp("postgres")) as url:
        yield url


@pytest.fixture(scope="session")
def rabbitmq_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A RabbitMQ of the whole run."""
    with real_servers.rabbitmq(tmp_path_factory.mktemp("rabbitmq")) as url:
        yield url


@pytest.fixture(scope="session")
def elasticsearch_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An Elasticsearch of the whole run."""
    with real_servers.elasticsearch(tmp_path_factory.mktemp("elasticsearch")) as url:
        yield url


@pytest.fixture(scope="session")
def jaeger(tmp_path_factory: pytest.TempPathFactory, elasticsearch_url: str) -> Iterator[real_servers.Jaeger]:
    """A Jaeger of the whole run, on the Elasticsearch."""
    with real_servers.jaeger(tmp_path_factory.mktemp("jaeger"), elasticsearch_url) as running:
        yield running
