"""The real servers that the demo and the tests use: a row each."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from shopwatch_engine.servers.spec import DebianPackage, DockerImage, ServerSpec

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

SERVERS: Final[Mapping[str, ServerSpec]] = MappingProxyType(
    {spec.name: spec for spec in (PROMETHEUS, COMPOSE, ALERTMANAGER)}
)
"""Every server, by name."""
