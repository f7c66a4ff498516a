"""`shopwatch run` as a platform engineer uses it: a settings file, its API, its exit codes; `incidents`."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from acceptance.gauges import Gauges
from acceptance.real_engine import RealEngine, SandboxProcess, get_json
from real_prometheus import RealPrometheus, free_port, wait_until
from shopwatch import catalogue

COMMAND = (sys.executable, "-m", "shopwatch_engine.cli")
RULES = """
groups:
  - name: mine
    interval: 200ms
    rules:
      - alert: Mine
        expr: test_broken{case="mine"} > 0
        labels: {severity: critical, owner: me}
        annotations:
          summary: mine is broken
          runbook_url: "{{ $externalURL }}/runbooks/Mine"
"""
PLAIN_ENVIRON = {name: value for name, value in os.environ.items() if not name.startswith("SHOPWATCH_")}


def shopwatch(*words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**PLAIN_ENVIRON, **environ},
    )


@pytest.fixture
def files(engine: Callable[[str], RealEngine]) -> RealEngine:
    """An engine's folder with rules, a runbook, routing and one settings file."""
    made = engine(RULES)
    runbooks = made.folder / "alert_rules" / "runbooks"
    runbooks.mkdir()
    (runbooks / "Mine.md").write_text("# Mine\n", encoding="utf-8")
    settings = {
        "prometheus": made.prometheus,
        "rules": ["alert_rules"],
        "routing": "routing.yml",
        "store": made.store,
        "listen": f"127.0.0.1:{made.port}",
        "scrape_interval": "200ms",
    }
    (made.folder / "shopwatch.yml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    return made


def start_from_file(files: RealEngine) -> None:
    """Start with the settings file alone."""
    with (files.folder / "engine.log").open("ab") as log:
        files.process = subprocess.Popen(
            [*COMMAND, "run", "--config", str(files.folder / "shopwatch.yml")],
            env=PLAIN_ENVIRON,
            stdout=log,
            stderr=log,
        )
    wait_until(files.is_ready, within_s=20, what=f"engine ready: {files.log}")


def test_one_settings_file_is_enough(files: RealEngine, gauges: Gauges, pagers: SandboxProcess) -> None:
    gauges.set("mine", 1)
    start_from_file(files)
    wait_until(lambda: len(pagers.incidents("mine is broken")) == 2, within_s=20, what="both pages")
    wait_until(lambda: files.deliveries("evidence") == ["delivered"] * 2, within_s=20, what="evidence")
    (alert,) = files.alerts().values()
    assert (alert["state"], alert["unknown"], alert["labels"]["owner"]) == ("firing", False, "me")
    assert alert["annotations"]["runbook_url"] == f"{files.url}/runbooks/Mine"
    with urllib.request.urlopen(alert["annotations"]["runbook_url"], timeout=5) as runbook:
        assert runbook.read() == b"# Mine\n"
    gauges.set("mine", 0)
    wait_until(
        lambda: {one["status"] for one in pagers.incidents("mine is broken")} == {"resolved"},
        within_s=20,
        what="both resolves",
    )
    shown = shopwatch("incidents", "--store", files.store)
    assert shown.returncode == 0
    assert "critical: mine is broken" in shown.stdout
    assert "on-call/pagerduty/0: trigger delivered, evidence delivered, resolve delivered" in shown.stdout
    (listed,) = json.loads(shopwatch("incidents", "--json", SHOPWATCH_STORE=files.store).stdout)
    assert (listed["status"], listed["receiver"], len(listed["deliveries"])) == ("resolved", "on-call", 6)
    assert files.stop() == 0


def test_the_engine_says_how_it_is(files: RealEngine) -> None:
    start_from_file(files)
    with urllib.request.urlopen(f"{files.url}/-/healthy", timeout=5) as answer:
        assert answer.status == 200
    with urllib.request.urlopen(f"{files.url}/runbooks/ShopwatchEvaluationFailing", timeout=5) as answer:
        assert answer.read().startswith(b"# ShopwatchEvaluationFailing")
    named = {name.removesuffix("_total") for name in catalogue.SERIES}
    wait_until(lambda: "shopwatch_engine_pass_duration" in metrics_of(files), within_s=10, what="a pass")
    families = {family.name for family in text_string_to_metric_families(metrics_of(files))}
    ours = {name.removesuffix("_created") for name in families if name.startswith("shopwatch_")}
    assert ours
    assert {name for name in ours if name not in named and f"{name}_bucket" not in named} == set()


def metrics_of(engine: RealEngine) -> str:
    with urllib.request.urlopen(f"{engine.url}/metrics", timeout=5) as answer:
        return str(answer.read().decode())


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/runbooks/None", 404),
        ("/runbooks/..%2F..%2Frouting", 404),
        ("/dashboards/shop", 404),
        ("/api/v1/incidents?limit=0", 400),
        ("/api/v1/incidents?limit=many", 400),
        ("/nothing", 404),
    ],
)
def test_bad_requests_are_refused_and_it_stays_up(files: RealEngine, path: str, status: int) -> None:
    start_from_file(files)
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{files.url}{path}", timeout=5)
    refused.value.close()
    assert refused.value.code == status
    assert get_json(f"{files.url}/api/v1/incidents") == []


def test_a_dashboard_is_grafanas(files: RealEngine) -> None:
    files.start({"SHOPWATCH_GRAFANA": f"http://127.0.0.1:{free_port()}"})
    with pytest.raises(
        urllib.error.URLError, match="refused"
    ):  # there is no Grafana, but that is where it goes
        urllib.request.urlopen(f"{files.url}/dashboards/shop?from=now-1h", timeout=5)


def test_a_wrong_definition_stops_the_start_and_touches_nothing(files: RealEngine) -> None:
    (files.folder / "alert_rules" / "rules.yml").write_text(
        RULES.replace("expr:", "exprs:"), encoding="utf-8"
    )
    ended = shopwatch("run", "--config", str(files.folder / "shopwatch.yml"))
    assert ended.returncode == 1
    assert "rules.yml:7:9: [unknown-key]" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (files.folder / "shopwatch.sqlite3").exists()


def test_no_setting_at_all_says_what_is_needed(tmp_path: Path) -> None:
    ended = shopwatch("run", SHOPWATCH_ROUTING=str(tmp_path / "none.yml"))
    assert ended.returncode == 1
    assert "SHOPWATCH_PROMETHEUS" in ended.stderr
    assert "SHOPWATCH_RULES" in ended.stderr


def test_a_taken_port_and_a_store_in_use_say_so(files: RealEngine) -> None:
    settings = str(files.folder / "shopwatch.yml")
    with socket.create_server(("127.0.0.1", files.port)):
        taken = shopwatch("run", "--config", settings)
    assert taken.returncode == 4
    assert f"cannot listen on 127.0.0.1:{files.port}" in taken.stderr
    start_from_file(files)
    used = shopwatch("run", "--config", settings, "--listen", f"127.0.0.1:{free_port()}")
    assert used.returncode == 3
    assert files.process is not None
    assert f"in use by another engine (process {files.process.pid})" in used.stderr


def test_incidents_of_no_store(tmp_path: Path) -> None:
    ended = shopwatch("incidents", "--store", f"sqlite:///{tmp_path / 'none'}")
    assert ended.returncode == 3
    assert "is not there" in ended.stderr


def test_no_key_is_in_anything_that_the_engine_wrote(
    files: RealEngine, gauges: Gauges, metrics: RealPrometheus, pagers: SandboxProcess
) -> None:
    pagers.control("pagerduty", mode="fail", status=500)
    gauges.set("mine", 1)
    metrics.wait_for('test_broken{case="mine"} > 0')
    start_from_file(files)
    try:
        wait_until(lambda: "did not take" in files.log, within_s=20, what="a refused page in the log")
    finally:
        pagers.control("pagerduty", mode="ok")
        gauges.set("mine", 0)
    wait_until(lambda: set(files.deliveries("trigger")) == {"delivered"}, within_s=30, what="delivery")
    assert files.stop() == 0
    written = [path for path in files.folder.iterdir() if path.is_file() and path.name != "routing.yml"]
    assert {"engine.log", "shopwatch.sqlite3"} <= {path.name for path in written}
    for path in written:
        assert b"k" * 32 not in path.read_bytes()
        assert b"made-up" not in path.read_bytes()
