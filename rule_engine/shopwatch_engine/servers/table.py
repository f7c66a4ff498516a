"""The real servers that the demo and the tests use: a row each."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from shopwatch_engine.servers.spec import (
    DebianPackage,
    DockerImage,
    GoModule,
    MavenArtifact,
    ServerSpec,
    SystemPackage,
)

PROMETHEUS: Final = ServerSpec(
    name="prometheus",
    binaries=("prometheus", "promtool"),
    environ_name="SHOPWATCH_PROMETHEUS_BIN",
    debian=DebianPackage(
        package="prometheus",
        companions=("promtool",),  # since Debian 13
        binaries={"prometheus": "usr/bin/prometheus", "promtool": "usr/bin/promtool"},
    ),
    docker=DockerImage(
        image="prom/prometheus:v3.14.0",
        binaries={"prometheus": "/bin/prometheus", "promtool": "/bin/promtool"},
    ),
    remedies=(
        "Debian, Ubuntu: sudo apt-get install prometheus",
        "macOS: brew install prometheus",
        "any platform: a release of prometheus.io, its folder named in SHOPWATCH_PROMETHEUS_BIN",
        "Docker on Linux: start its engine; the image is then pulled",
    ),
    notes="2.42 (Debian 12) and newer; exemplars need --enable-feature=exemplar-storage",
)

COMPOSE: Final = ServerSpec(
    name="docker-compose",
    binaries=("docker-compose",),
    environ_name="SHOPWATCH_COMPOSE_BIN",
    debian=DebianPackage(
        package="docker-compose",
        binaries={"docker-compose": "usr/libexec/docker/cli-plugins/docker-compose"},
        suite="trixie",
    ),
    remedies=(
        "Docker's packages: sudo apt-get install docker-compose-plugin",
        "macOS, Windows: Docker Desktop has it",
        "any platform: a release of github.com/docker/compose, its path in SHOPWATCH_COMPOSE_BIN",
    ),
    notes="2 and newer; runs without Docker's client, and `config` without its engine",
)

ALERTMANAGER: Final = ServerSpec(
    name="alertmanager",
    binaries=("alertmanager",),
    environ_name="SHOPWATCH_ALERTMANAGER_BIN",
    debian=DebianPackage(
        package="prometheus-alertmanager", binaries={"alertmanager": "usr/bin/prometheus-alertmanager"}
    ),
    docker=DockerImage(image="prom/alertmanager:v0.34.0", binaries={"alertmanager": "/bin/alertmanager"}),
    remedies=(
        "Debian, Ubuntu: sudo apt-get install prometheus-alertmanager",
        "macOS: brew install alertmanager",
        "any platform: a release of prometheus.io, its folder named in SHOPWATCH_ALERTMANAGER_BIN",
    ),
    notes="the peer of benchmarks/page_delay.py; Debian's reads /usr/share/prometheus, so install it there",
)

REDIS: Final = ServerSpec(
    name="redis",
    binaries=("redis-server",),
    environ_name="SHOPWATCH_REDIS_BIN",
    system=SystemPackage(package="redis-server", binaries={"redis-server": "/usr/bin/redis-server"}),
    remedies=("Debian, Ubuntu: sudo apt-get install redis-server", "macOS: brew install redis"),
    notes="6 and newer",
)

MEMCACHED: Final = ServerSpec(
    name="memcached",
    binaries=("memcached",),
    environ_name="SHOPWATCH_MEMCACHED_BIN",
    system=SystemPackage(package="memcached", binaries={"memcached": "/usr/bin/memcached"}),
    remedies=("Debian, Ubuntu: sudo apt-get install memcached", "macOS: brew install memcached"),
)

POSTGRES: Final = ServerSpec(
    name="postgres",
    binaries=("postgres", "initdb"),
    environ_name="SHOPWATCH_POSTGRES_BIN",
    system=SystemPackage(
        package="postgresql",
        binaries={
            "postgres": "/usr/lib/postgresql/*/bin/postgres",
            "initdb": "/usr/lib/postgresql/*/bin/initdb",
        },
    ),
    remedies=("Debian, Ubuntu: sudo apt-get install postgresql", "macOS: brew install postgresql"),
    notes="13 and newer; refuses to run as root",
)

RABBITMQ: Final = ServerSpec(
    name="rabbitmq",
    binaries=("rabbitmq-server", "epmd"),
    environ_name="SHOPWATCH_RABBITMQ_BIN",
    system=SystemPackage(
        package="rabbitmq-server",
        binaries={
            "rabbitmq-server": "/usr/lib/rabbitmq/bin/rabbitmq-server",
            "epmd": "/usr/lib/erlang/erts-*/bin/epmd",
        },
    ),
    remedies=("Debian, Ubuntu: sudo apt-get install rabbitmq-server", "macOS: brew install rabbitmq"),
    notes="3.10 and newer; the script on PATH changes to another user, this one does not",
)

ELASTICSEARCH: Final = ServerSpec(
    name="elasticsearch",
    binaries=("elasticsearch",),
    environ_name="SHOPWATCH_ELASTICSEARCH_BIN",
    maven=MavenArtifact(
        group="org.elasticsearch.distribution.integ-test-zip",
        artifact="elasticsearch",
        version="8.19.21",
        binaries={"elasticsearch": "elasticsearch-{version}/bin/elasticsearch"},
    ),
    remedies=(
        "any platform with Java 17 and Maven: sudo apt-get install maven openjdk-17-jre-headless",
        "any platform: a release of elastic.co, its bin/elasticsearch named in SHOPWATCH_ELASTICSEARCH_BIN",
    ),
    notes="8; refuses to run as root; the archive is the server without most of its modules",
)

JAEGER: Final = ServerSpec(
    name="jaeger",
    binaries=("jaeger",),
    environ_name="SHOPWATCH_JAEGER_BIN",
    go=GoModule(
        module="github.com/jaegertracing/jaeger", version="v1.76.0", package="./cmd/jaeger", binary="jaeger"
    ),
    remedies=(
        "any platform with Go 1.24: have `go` on PATH; building takes some minutes, once",
        "any platform: a release of jaegertracing.io, its path in SHOPWATCH_JAEGER_BIN",
    ),
    notes="2.13 (the module's version counts otherwise); an OpenTelemetry Collector too",
)

SERVERS: Final[Mapping[str, ServerSpec]] = MappingProxyType(
    {
        spec.name: spec
        for spec in (
            PROMETHEUS,
            COMPOSE,
            ALERTMANAGER,
            REDIS,
            MEMCACHED,
            POSTGRES,
            RABBITMQ,
            ELASTICSEARCH,
            JAEGER,
        )
    }
)
"""Every server, by name."""
