"""docker-compose.yml as the real Docker Compose reads it, held against what it mounts and refers to."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from shopwatch_engine.definitions import Settings, load_settings
from shopwatch_engine.servers import find

ROOT = Path(__file__).parents[2]
COLLECTOR = ROOT / "collector"
SECRETS = "/run/secrets/shopwatch"
IN_THE_STACK = {
    "prometheus", "grafana", "jaeger", "elasticsearch", "logstash", "kibana", "collector", "engine", "pagers",
}  # fmt: skip
IN_THE_SHOP = {"gateway", "auth", "catalogue", "catalogue-canary", "orders", "payments", "load"}
LISTENS = {  # what each service's own configuration makes it listen on, besides its published ports
    "prometheus": {9090},
    "jaeger": {4317, 8888, 16686},
    "elasticsearch": {9200},
    "collector": {4317, 4318, 8888},
    "evidence": {4318},
    "engine": {9095},
    "pagers": {8025},
    "gateway": {8000},
    "auth": {8001},
    "catalogue": {8002},
    "catalogue-canary": {8002},
    "orders": {8003},
    "payments": {8004},
}
Service = dict[str, Any]


def compose_command() -> tuple[str, ...]:
    """Docker's own plugin where it is there, else the plugin alone; fails with the remedy without either."""
    docker = shutil.which("docker")
    if docker:
        plugin = subprocess.run([docker, "compose", "version"], capture_output=True, check=False, timeout=30)
        if plugin.returncode == 0:
            return docker, "compose"
    return find("docker-compose", environ=os.environ).command("docker-compose")


@pytest.fixture(scope="module")
def stack() -> dict[str, Any]:
    """The whole file, every profile on, anchors and defaults resolved."""
    command = [*compose_command(), "--file", str(ROOT / "docker-compose.yml"), "--profile", "*", "config"]
    done = subprocess.run(
        [*command, "--format", "json"], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "level=warning" not in done.stderr, done.stderr
    read: dict[str, Any] = json.loads(done.stdout)
    return read


@pytest.fixture(scope="module")
def services(stack: dict[str, Any]) -> Mapping[str, Service]:
    found: Mapping[str, Service] = stack["services"]
    return found


def once(service: Service) -> bool:
    return service.get("restart") == "no"


def needs(service: Service) -> dict[str, str]:
    """The services that must be there first, and how."""
    return {name: one["condition"] for name, one in service.get("depends_on", {}).items()}


def mounts(service: Service) -> Iterator[tuple[str, str, bool]]:
    """Source, target and whether it is read-only, of binds and volumes."""
    for volume in service.get("volumes", []):
        yield volume["source"], volume["target"], volume.get("read_only", False)


def needed_before(name: str, services: Mapping[str, Service]) -> set[str]:
    """Everything that a service waits for, directly or not."""
    direct = set(needs(services[name]))
    return direct.union(*(needed_before(one, services) for one in direct))


def secrets_made() -> set[str]:
    script = (COLLECTOR / "secrets" / "make.sh").read_text()
    return set(re.findall(r"\| put ([\w.]+)", script))


def referring_files() -> list[Path]:
    files = [path for path in COLLECTOR.rglob("*") if path.is_file() and path.suffix != ".md"]
    return [ROOT / "docker-compose.yml", *files, *(ROOT / "alert_rules").glob("routing.yml")]


def test_the_file_holds_the_stack_and_the_shop(services: Mapping[str, Service]) -> None:
    assert set(services) >= IN_THE_STACK | IN_THE_SHOP
    assert all(services[name].get("profiles") == ["shop"] for name in IN_THE_SHOP)
    assert not any(services[name].get("profiles") for name in IN_THE_STACK)


def test_every_image_is_built_here_or_pinned_to_a_release(services: Mapping[str, Service]) -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    for name, service in services.items():
        assert re.search(r":v?\d+\.\d+", service["image"]), f"{name}: {service['image']}"
        if build := service.get("build"):
            assert f" AS {build['target']}\n" in dockerfile, name


def test_every_service_is_confined(services: Mapping[str, Service]) -> None:
    for name, service in services.items():
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["cap_drop"] == ["ALL"], name
        assert int(service["mem_limit"]) > 0, name
        assert service["logging"]["options"]["max-size"], name
        assert not service.get("privileged"), name
        assert service.get("cap_add", []) == (["CHOWN"] if name == "secrets" else []), name


def test_every_port_listens_on_loopback_and_is_taken_once(services: Mapping[str, Service]) -> None:
    taken: dict[str, str] = {}
    for name, service in services.items():
        for port in service.get("ports", []):
            assert port["host_ip"] == "127.0.0.1", f"{name}: {port}"
            assert port["published"] not in taken, f"{name} and {taken.get(port['published'])}: {port}"
            taken[port["published"]] = name


def test_a_service_is_checked_or_runs_once_for_another(services: Mapping[str, Service]) -> None:
    """Compose takes a crash loop without a check for a success, and a one-shot for nobody for a failure."""
    waited_for = {name for service in services.values() for name in needs(service)}
    for name, service in services.items():
        if once(service):
            assert name in waited_for, f"{name} ends, and nothing waits for it: `up --wait` would fail"
            assert "healthcheck" not in service, name
        else:
            assert service["restart"] == "unless-stopped", name
            assert service["healthcheck"]["test"], name


def test_services_wait_for_one_another_in_a_way_that_can_come_true(services: Mapping[str, Service]) -> None:
    for name, service in services.items():
        for other, condition in needs(service).items():
            expected = "service_completed_successfully" if once(services[other]) else "service_healthy"
            assert condition == expected, f"{name} -> {other}"
            profiles = services[other].get("profiles", [])
            assert set(profiles) <= set(service.get("profiles", [])), f"{name} needs {other}, of a profile"


def test_a_check_uses_only_what_its_image_holds(services: Mapping[str, Service]) -> None:
    for name, service in services.items():
        if once(service):
            continue
        test = service["healthcheck"]["test"]
        if test[1] == "/tools/busybox":
            assert ("tools", "/tools", True) in set(mounts(service)), name
            assert "secrets" in needed_before(name, services), f"{name} may start before its check is there"
        elif test[0] == "CMD-SHELL":
            assert name == "elasticsearch", f"{name}: only that image is known to hold a shell and curl"
        else:
            assert (test[1], "build" in service) == ("python", True), name


def test_what_is_mounted_is_there_and_cannot_be_written(
    services: Mapping[str, Service], stack: Service
) -> None:
    for name, service in services.items():
        for source, target, read_only in mounts(service):
            if source.startswith("/"):
                assert Path(source).exists(), f"{name}: {source}"
                assert read_only, f"{name}: {source}"
            else:
                assert source in stack["volumes"], f"{name}: {source}"
                if source in ("secrets", "tools"):
                    assert read_only or name == "secrets", f"{name}: {target}"


def test_every_secret_that_is_read_is_made_and_the_other_way_round(services: Mapping[str, Service]) -> None:
    read: dict[str, set[str]] = {}
    for path in referring_files():
        for secret in re.findall(rf"{SECRETS}/([\w.]+)", path.read_text()):
            read.setdefault(secret, set()).add(path.name)
    script = (COLLECTOR / "elasticsearch" / "accounts.sh").read_text()
    given = set(re.findall(r"^account (\w+) ", script, re.MULTILINE))
    wanted = set(read) | {f"{name}_password" for name in given} | {"kibana_system_password", "elastic_netrc"}
    pagers = {"pagerduty_routing_key", "opsgenie_api_key"}
    assert wanted - pagers == secrets_made() - pagers
    assert pagers <= secrets_made()
    for name, service in services.items():
        if SECRETS in json.dumps(service):
            assert "secrets" in needed_before(name, services), name


def test_every_address_in_a_configuration_is_a_service_that_listens_there(
    services: Mapping[str, Service],
) -> None:
    addresses = re.compile(r"(?<![\w.])(?:https?://)?([a-z][a-z-]+):(\d{4,5})\b")
    found = set()
    for path in referring_files():
        if path.name == "make.sh":
            continue
        text = re.sub(r"#.*", "", path.read_text())
        for host, port in addresses.findall(text):
            if host == "localhost":
                published = {
                    one["published"] for service in services.values() for one in service.get("ports", [])
                }
                assert port in published, f"{path.name}: localhost:{port}"
                continue
            assert host in services, f"{path.name}: {host}:{port}"
            assert int(port) in LISTENS[host], f"{path.name}: {host}:{port}"
            found.add(host)
    assert found >= {"prometheus", "jaeger", "elasticsearch", "engine", "evidence", "collector", "orders"}


def test_prometheus_scrapes_every_service_of_the_shop_by_its_name(services: Mapping[str, Service]) -> None:
    groups = yaml.safe_load((COLLECTOR / "prometheus" / "shop.yml").read_text())
    scraped = {
        target.partition(":")[0]: group["labels"]["job"] for group in groups for target in group["targets"]
    }
    assert set(scraped) == IN_THE_SHOP - {"load"}
    for name, job in scraped.items():
        assert services[name]["command"] == ["shop", job]


def test_the_engine_is_told_of_settings_that_it_knows(services: Mapping[str, Service]) -> None:
    known = {f"SHOPWATCH_{field.name.removesuffix('_s').upper()}" for field in fields(Settings)}
    told: dict[str, str] = services["engine"]["environment"]
    assert set(told) <= known
    read = load_settings(None, told)
    assert read.prometheus == "http://prometheus:9090"
    mounted = {target for _, target, _ in mounts(services["engine"])}
    for path in (*read.rules, read.routing, Path(read.store.removeprefix("sqlite:///"))):
        assert mounted & {str(parent) for parent in path.parents} or str(path) in mounted, path
