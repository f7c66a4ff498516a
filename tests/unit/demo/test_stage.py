from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from shopwatch_engine.definitions import load_routing, load_rules
from shopwatch_engine.demo import prometheus
from shopwatch_engine.demo.acceleration import PagerAccess
from shopwatch_engine.demo.definitions import write_definitions
from shopwatch_engine.demo.play import Fault
from shopwatch_engine.demo.shop import DemoError, Shop, plain_environ, read_shop
from shopwatch_engine.demo.stage import CANARY, ENGINE, Stage, process_names
from shopwatch_engine.servers import FoundServer

REPOSITORY = Path(__file__).parents[3]
SHOP_PATH = REPOSITORY / "examples" / "shop"
FOUND = FoundServer(name="prometheus", paths={"prometheus": ("/bin/prometheus",)}, origin="PATH")
IMAGE = FoundServer(
    name="prometheus",
    paths={"prometheus": ("docker", "run", "--rm", "prom/prometheus")},
    origin="docker",
    image="prom/prometheus",
)
SHOP = Shop(folder=Path("/shop"), services=("gateway", "auth", "catalogue", "orders", "payments"), faults=())
ACCESS = PagerAccess(pagerduty_url="u", opsgenie_api_url="u", pagerduty_key_file="k", opsgenie_key_file="k")
BAD_RELEASE = Fault(name="bad", service="catalogue", description="", alert="A", track="canary")


def stage(work: Path, *, found: FoundServer = FOUND, speed: float = 15.0, shop: Shop = SHOP) -> Stage:
    ports = {name: 20_000 + number for number, name in enumerate(process_names(shop))}
    return Stage(work=work, shop=shop, found=found, speed=speed, ports=ports, environ={"PATH": "/bin"})


# ---------------------------------------------------------------- the shop
def test_the_shop_is_asked_for_its_services_and_faults() -> None:
    shop = read_shop(SHOP_PATH, {"PATH": "/bin"})
    assert "gateway" in shop.services
    assert {fault.mechanism for fault in shop.faults} == {"http", "crash", "attack"}
    assert len({fault.alert for fault in shop.faults}) == len(shop.faults)
    assert {fault.service for fault in shop.faults} <= set(shop.services)


def test_a_folder_without_a_shop_is_an_error_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(DemoError, match=r"no demo shop in .*: run this in a clone .* with --shop"):
        read_shop(tmp_path / "shop", {})


def test_a_shop_that_cannot_be_asked_is_an_error_that_says_why(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "faults.py").write_text("FAULTS = 1 / 0\n", encoding="utf-8")
    with pytest.raises(DemoError, match=r"(?s)cannot be asked for its faults.*ZeroDivisionError"):
        read_shop(tmp_path / "shop", {"PATH": "/bin"})


def test_children_get_neither_settings_nor_proxies_of_the_person() -> None:
    given = {
        "PATH": "/bin",
        "HOME": "/home/me",
        "SHOPWATCH_STORE": "sqlite:///mine",
        "SHOPWATCH_KILL_AT": "after-send:trigger",
        "OTEL_TRACES_EXPORTER": "none",
        "SHOP_FAULTS": "0",
        "PYTHONWARNINGS": "error",
        "https_proxy": "http://proxy",
        "NO_PROXY": "",
    }
    assert plain_environ(given) == {"PATH": "/bin", "HOME": "/home/me", "PYTHONUNBUFFERED": "1"}


# ---------------------------------------------------------------- definitions
def test_the_shipped_definitions_quickened_are_definitions_that_the_engine_loads(tmp_path: Path) -> None:
    real = stage(tmp_path)
    real.write(REPOSITORY / "alert_rules")
    slow = {rule.name: rule for rule in load_rules((REPOSITORY / "alert_rules",)).alert_rules}
    quick = {rule.name: rule for rule in load_rules((tmp_path / "rules",)).alert_rules}
    assert quick.keys() == slow.keys()
    for name, rule in quick.items():
        assert rule.for_s == pytest.approx(slow[name].for_s / 15, abs=0.001)
        assert rule.labels == slow[name].labels
        assert rule.annotations == slow[name].annotations


def test_the_shipped_routing_is_aimed_at_the_sandbox_with_keys_from_files(tmp_path: Path) -> None:
    real = stage(tmp_path)
    real.write(REPOSITORY / "alert_rules")
    integrations = load_routing(tmp_path / "routing.yml").integrations.values()
    assert {one.kind.value for one in integrations} == {"pagerduty", "opsgenie"}
    assert all(one.url.startswith(real.url("sandbox")) for one in integrations)
    keys = [path for path in (tmp_path / "keys").iterdir() if path.is_file()]
    assert {path.stat().st_mode & 0o777 for path in keys} == {0o600}
    assert len((tmp_path / "keys" / "pagerduty").read_text(encoding="ascii")) == 32


@pytest.mark.parametrize(
    ("files", "said"),
    [
        pytest.param({}, r"no .*routing\.yml: name .* with --rules", id="none"),
        pytest.param({"routing.yml": "route: ["}, r"routing\.yml: ", id="no YAML"),
        pytest.param({"routing.yml": "receivers: []"}, r"routing\.yml: 'route'; `shop", id="no route"),
        pytest.param(
            {
                "routing.yml": "{route: {}, receivers: []}",
                "a.yml": "groups: [{name: g, rules: [{alert: A, expr: up, for: soon}]}]",
            },
            r"a\.yml: group g, rule A: for: 'soon'",
            id="bad duration",
        ),
    ],
)
def test_definitions_that_cannot_be_copied_are_named(
    tmp_path: Path, files: dict[str, str], said: str
) -> None:
    given, work = tmp_path / "given", tmp_path / "work"
    given.mkdir()
    (work / "rules").mkdir(parents=True)
    for name, text in files.items():
        (given / name).write_text(text, encoding="utf-8")
    with pytest.raises(DemoError, match=said):
        write_definitions(given, work, speed=15.0, access=ACCESS)


# ---------------------------------------------------------------- processes
def test_every_process_listens_on_loopback_on_a_port_of_its_own(tmp_path: Path) -> None:
    real = stage(tmp_path)
    commands = (*real.servers(), real.engine())
    assert {one.name for one in commands} == set(process_names(SHOP))
    for command in commands:
        words = " ".join((*command.argv, *command.environ.values()))
        assert str(real.ports[command.name]) in words
        assert "0.0.0.0" not in words
        assert command.environ["PATH"] == "/bin"


def test_the_canary_is_the_next_version_on_its_own_track(tmp_path: Path) -> None:
    real = stage(tmp_path)
    stable, canary = real.service("catalogue"), real.service(CANARY)
    assert stable.argv[3] == canary.argv[3] == "catalogue"
    assert (stable.environ["SHOPWATCH_TRACK"], canary.environ["SHOPWATCH_TRACK"]) == ("stable", "canary")
    assert stable.environ["SHOP_VERSION"] != canary.environ["SHOP_VERSION"]
    assert real.process_of(BAD_RELEASE) == CANARY
    assert real.switch(BAD_RELEASE) == f"{real.url(CANARY)}/faults/bad"


def test_no_secret_stands_in_a_command_or_an_environment(tmp_path: Path) -> None:
    real = stage(tmp_path)
    real.write(REPOSITORY / "alert_rules")
    secrets = [path.read_text(encoding="ascii") for path in (tmp_path / "keys").iterdir()]
    for command in (*real.servers(), real.engine(), real.load(), real.load(attack=True)):
        words = " ".join((*command.argv, *command.environ.values()))
        assert not any(secret in words for secret in secrets)


def test_load_and_services_end_before_what_they_send_to(tmp_path: Path) -> None:
    real = stage(tmp_path)
    ends = {one.name: one.ends for one in (*real.servers(), real.load(), real.engine())}
    assert ends["load"] < ends["gateway"] == ends[ENGINE] < ends["collector"]


def test_prometheus_scrapes_each_service_under_its_name_and_faster(tmp_path: Path) -> None:
    real = stage(tmp_path)
    real.servers()
    config = yaml.safe_load((tmp_path / "prometheus" / "prometheus.yml").read_text(encoding="utf-8"))
    assert config["global"]["scrape_interval"] == "1s"
    targets = {one["job_name"]: one["static_configs"][0]["targets"] for one in config["scrape_configs"]}
    assert targets.keys() == set(SHOP.services)
    assert targets["catalogue"] == [f"127.0.0.1:{real.ports[name]}" for name in ("catalogue", CANARY)]


def test_a_prometheus_from_an_image_sees_its_folder_and_ends_politely(tmp_path: Path) -> None:
    given = {"folder": tmp_path / "p", "port": 1, "document": {}, "environ": {}}
    found, image = prometheus.command(FOUND, **given), prometheus.command(IMAGE, **given)
    assert found.argv[0] == "/bin/prometheus"
    assert image.argv[:6] == (
        "docker",
        "run",
        "--rm",
        "--volume",
        f"{tmp_path / 'p'}:{tmp_path / 'p'}",
        IMAGE.image,
    )
    assert (found.death_signal.name, image.death_signal.name) == ("SIGKILL", "SIGTERM")


def test_debians_prometheus_unpacked_anywhere_finds_its_pages(tmp_path: Path) -> None:
    binary, pages = tmp_path / "usr" / "bin" / "prometheus", tmp_path / "usr" / "share" / "prometheus" / "web"
    found = FoundServer(name="prometheus", paths={"prometheus": (str(binary),)}, origin="cache")
    given = {"folder": tmp_path / "p", "port": 1, "document": {}, "environ": {}}
    assert "local-assets" not in " ".join(prometheus.command(found, **given).argv)
    (pages / "templates").mkdir(parents=True)
    assert f"--web.local-assets={pages}" in prometheus.command(found, **given).argv
