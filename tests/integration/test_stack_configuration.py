"""What stands under collector/: read by the tool that it is for, or held against its own references."""

from __future__ import annotations

import http.server
import json
import os
import shutil
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from shopwatch import catalogue
from shopwatch_engine.definitions import load_routing
from shopwatch_engine.servers import FoundServer

ROOT = Path(__file__).parents[2]
COLLECTOR = ROOT / "collector"
SECRET_NAMES = {
    "elastic_password", "elastic_netrc", "kibana_system_password", "kibana.yml", "logstash_password",
    "jaeger_password", "collector_password", "grafana_password", "grafana_admin_password",
    "pagerduty_routing_key", "opsgenie_api_key", "shop_token_secret",
}  # fmt: skip


def read(*names: str) -> Any:
    return yaml.safe_load(COLLECTOR.joinpath(*names).read_text(encoding="utf-8"))


# ---------------------------------------------------------------- Prometheus
def test_promtool_takes_prometheus_configuration(prometheus_binaries: FoundServer) -> None:
    folder = COLLECTOR / "prometheus"
    command = [*prometheus_binaries.command("promtool", folders=(folder,)), "check", "config"]
    done = subprocess.run([*command, folder / "prometheus.yml"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_takes_the_shops_targets(prometheus_binaries: FoundServer, tmp_path: Path) -> None:
    """As promtool reads a file of targets only where a configuration names it."""
    targets = COLLECTOR / "prometheus" / "shop.yml"
    scrape = [{"job_name": "services", "file_sd_configs": [{"files": [str(targets)]}]}]
    config = tmp_path / "prometheus.yml"
    config.write_text(yaml.safe_dump({"scrape_configs": scrape}))
    command = [
        *prometheus_binaries.command("promtool", folders=(tmp_path, targets.parent)),
        "check",
        "config",
    ]
    done = subprocess.run([*command, str(config)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING" not in done.stdout + done.stderr


# ---------------------------------------------------------------- Collector and Jaeger
PIPELINE_PARTS = {"receivers": "receivers", "processors": "processors", "exporters": "exporters"}


@pytest.mark.parametrize("path", ["opentelemetry/collector.yml", "jaeger/jaeger.yml"])
def test_every_part_of_a_pipeline_is_defined_and_every_definition_is_used(path: str) -> None:
    config = read(*path.split("/"))
    service = config["service"]
    assert set(service["extensions"]) == set(config["extensions"])
    for part in PIPELINE_PARTS:
        used = {name for pipeline in service["pipelines"].values() for name in pipeline[part]}
        assert used == set(config[part]), part


def test_each_signal_goes_where_it_is_looked_for() -> None:
    pipelines = read("opentelemetry", "collector.yml")["service"]["pipelines"]
    assert {signal: one["exporters"] for signal, one in pipelines.items()} == {
        "traces": ["otlp_grpc/jaeger", "otlp_http/evidence"],
        "logs": ["elasticsearch", "otlp_http/evidence"],
        "metrics": ["otlp_http/prometheus"],
    }
    assert all(one["processors"][0] == "memory_limiter" for one in pipelines.values())
    assert all(one["processors"][-1] == "batch" for one in pipelines.values())


def test_the_collector_writes_the_shape_of_log_documents_that_is_read() -> None:
    exporter = read("opentelemetry", "collector.yml")["exporters"]["elasticsearch"]
    assert exporter["mapping"]["mode"] == "otel"


def test_the_collector_promotes_the_attributes_that_the_librarys_metrics_carry() -> None:
    groups = read("opentelemetry", "collector.yml")["processors"]["transform/promote"]["metric_statements"]
    statements = [statement for group in groups for statement in group["statements"]]
    assert len(statements) == len(catalogue.RESOURCE_LABELS)
    for name, statement in zip(catalogue.RESOURCE_LABELS, statements, strict=True):
        assert statement.startswith(f'set(attributes["{name}"], resource.attributes["{name}"]) where ')


def test_jaegers_parts_refer_to_a_storage_that_is_defined() -> None:
    config = read("jaeger", "jaeger.yml")
    backends = set(config["extensions"]["jaeger_storage"]["backends"])
    assert config["extensions"]["jaeger_query"]["storage"]["traces"] in backends
    assert config["exporters"]["jaeger_storage_exporter"]["trace_storage"] in backends


# ---------------------------------------------------------------- Grafana
def test_grafanas_links_lead_to_data_sources_that_exist() -> None:
    sources = read("grafana", "provisioning", "datasources", "stack.yml")["datasources"]
    uids = {one["uid"] for one in sources}
    assert uids == {"prometheus", "jaeger", "elasticsearch"}
    by_uid = {one["uid"]: one.get("jsonData", {}) for one in sources}
    (exemplars,) = by_uid["prometheus"]["exemplarTraceIdDestinations"]
    assert exemplars == {"name": "trace_id", "datasourceUid": "jaeger"}
    assert by_uid["jaeger"]["tracesToLogsV2"]["datasourceUid"] in uids
    assert all(link["datasourceUid"] in uids for link in by_uid["elasticsearch"]["dataLinks"])


def test_grafana_reads_log_fields_by_the_catalogues_names() -> None:
    sources = read("grafana", "provisioning", "datasources", "stack.yml")["datasources"]
    logs = next(one["jsonData"] for one in sources if one["uid"] == "elasticsearch")
    assert logs["timeField"] == catalogue.LOG_TIMESTAMP
    assert logs["logMessageField"] == catalogue.LOG_BODY
    assert logs["logLevelField"] == catalogue.LOG_SEVERITY_TEXT
    assert logs["dataLinks"][0]["field"] == catalogue.LOG_TRACE_ID


# ---------------------------------------------------------------- secrets/make.sh
@dataclass(frozen=True, slots=True, kw_only=True)
class Maker:
    """The script, its folders, and a chown that notes what it was asked: a test need not be root."""

    secrets: Path
    tools: Path
    bin: Path
    owners: Path

    def run(self, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
        environ = {
            "PATH": f"{self.bin}:{os.environ['PATH']}",
            "SECRETS": str(self.secrets),
            "TOOLS": str(self.tools),
            "BUSYBOX": str(self.bin / "busybox"),
            "OWNERS": str(self.owners),
        }
        command = ["sh", str(COLLECTOR / "secrets" / "make.sh"), *arguments]
        return subprocess.run(command, env=environ, input=given, capture_output=True, text=True, check=False)

    def values(self) -> dict[str, str]:
        return {one.name: one.read_text() for one in self.secrets.iterdir() if not one.name.startswith(".")}


@pytest.fixture
def maker(tmp_path: Path) -> Maker:
    folders = {name: tmp_path / name for name in ("secrets", "tools", "bin")}
    for folder in folders.values():
        folder.mkdir()
    for name, text in {"busybox": "busybox", "chown": '#!/bin/sh\necho "$1 ${2##*/.}" >>"$OWNERS"\n'}.items():
        (folders["bin"] / name).write_text(text)
        (folders["bin"] / name).chmod(0o755)
    return Maker(**folders, owners=tmp_path / "owners")


def test_every_secret_is_random_long_and_readable_by_its_user_alone(maker: Maker) -> None:
    assert maker.run().returncode == 0
    values = maker.values()
    assert set(values) == SECRET_NAMES
    assert len(set(values.values())) == len(values)
    for name in values:
        mode = stat.S_IMODE((maker.secrets / name).stat().st_mode)
        assert mode in (0o400, 0o440), f"{name}: {mode:o}"
        assert f" {name}\n" in maker.owners.read_text(), name
    plain = {value for name, value in values.items() if name not in ("kibana.yml", "elastic_netrc")}
    assert all(len(value) >= 32 and value.isalnum() and value[0].isalpha() for value in plain)
    assert (maker.tools / "busybox").read_text() == "busybox"


def test_what_elasticsearch_pagerduty_and_kibana_ask_of_their_files_is_kept(maker: Maker) -> None:
    maker.run()
    values = maker.values()
    assert stat.S_IMODE((maker.secrets / "elastic_password").stat().st_mode) == 0o400
    assert "1000 elastic_password\n" in maker.owners.read_text()
    assert len(values["pagerduty_routing_key"]) == 32
    assert values["elastic_password"] in values["elastic_netrc"]
    kibana = yaml.safe_load(values["kibana.yml"])
    assert kibana.pop("elasticsearch.password") == values["kibana_system_password"]
    assert len(kibana) == 3
    assert all(name.endswith(".encryptionKey") and len(key) >= 32 for name, key in kibana.items())


def test_a_second_start_changes_no_secret_and_two_stacks_share_none(maker: Maker) -> None:
    maker.run()
    before = maker.values()
    assert maker.run().returncode == 0
    assert maker.values() == before
    shutil.rmtree(maker.secrets)
    maker.secrets.mkdir()
    maker.run()
    assert not set(maker.values().values()) & set(before.values())


def test_a_pagers_key_can_be_replaced_and_stays(maker: Maker) -> None:
    maker.run()
    assert maker.run("pagerduty_routing_key", given="0123456789abcdef0123456789abcdef\n").returncode == 0
    assert maker.run().returncode == 0
    assert maker.values()["pagerduty_routing_key"] == "0123456789abcdef0123456789abcdef"
    assert stat.S_IMODE((maker.secrets / "pagerduty_routing_key").stat().st_mode) == 0o400


def test_a_secret_that_others_depend_on_is_not_replaced(maker: Maker) -> None:
    maker.run()
    before = maker.values()
    refused = maker.run("elastic_password", given="guess")
    assert refused.returncode == 2
    assert "elastic_password cannot be replaced; choose pagerduty_routing_key" in refused.stderr
    assert maker.values() == before


# ---------------------------------------------------------------- elasticsearch/accounts.sh
@dataclass(slots=True)
class Elastic:
    """Takes what the script posts; refuses paths that it is told to."""

    refused: set[str] = field(default_factory=set)
    posted: dict[str, Any] = field(default_factory=dict)
    authorized: set[str] = field(default_factory=set)
    port: int = 0


@pytest.fixture
def elastic() -> Iterator[Elastic]:
    state = Elastic()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            state.posted[self.path] = body
            state.authorized.add(self.headers["Authorization"])
            refused = self.path in state.refused
            answer = b'{"error": "no"}' if refused else b"{}"
            self.send_response(403 if refused else 200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        state.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield state
        server.shutdown()
        thread.join()


def accounts(maker: Maker, elastic: Elastic) -> subprocess.CompletedProcess[str]:
    environ = {
        "PATH": os.environ["PATH"],
        "SECRETS": str(maker.secrets),
        "ELASTICSEARCH": f"http://127.0.0.1:{elastic.port}",
    }
    command = ["bash", str(COLLECTOR / "elasticsearch" / "accounts.sh")]
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=60)


def test_each_service_gets_an_account_with_its_own_password(maker: Maker, elastic: Elastic) -> None:
    maker.run()
    done = accounts(maker, elastic)
    assert done.returncode == 0, done.stderr
    assert len(elastic.authorized) == 1
    for name in ("collector", "logstash", "jaeger", "grafana"):
        assert elastic.posted[f"/_security/user/shopwatch_{name}"] == {
            "password": maker.values()[f"{name}_password"],
            "roles": [f"shopwatch_{name}"],
        }
        (indices,) = elastic.posted[f"/_security/role/shopwatch_{name}"]["indices"]
        assert all(pattern in ("logs-*", "jaeger-*") for pattern in indices["names"])
    kibana = maker.values()["kibana_system_password"]
    assert elastic.posted["/_security/user/kibana_system/_password"] == {"password": kibana}
    assert not set(maker.values().values()) & set(done.stdout.split())


def test_an_account_that_is_refused_stops_the_stack_and_says_which(maker: Maker, elastic: Elastic) -> None:
    maker.run()
    elastic.refused.add("/_security/role/shopwatch_jaeger")
    done = accounts(maker, elastic)
    assert done.returncode == 1
    assert "403 to POST /_security/role/shopwatch_jaeger" in done.stderr
    assert "/_security/user/kibana_system/_password" not in elastic.posted


# ---------------------------------------------------------------- sandbox/aim.py
def test_the_shipped_routes_aimed_at_the_sandbox_page_nobody_else(maker: Maker, tmp_path: Path) -> None:
    maker.run()
    aimed = tmp_path / "routing.sandbox.yml"
    command = [sys.executable, str(COLLECTOR / "sandbox" / "aim.py")]
    subprocess.run([*command, str(ROOT / "alert_rules" / "routing.yml"), str(aimed)], check=True, timeout=60)
    shipped = yaml.safe_load((ROOT / "alert_rules" / "routing.yml").read_text())
    written = yaml.safe_load(aimed.read_text())
    assert written["route"] == shipped["route"]
    assert [one["name"] for one in written["receivers"]] == [one["name"] for one in shipped["receivers"]]
    addresses = [
        config[key]
        for receiver in written["receivers"]
        for kind, key in (("pagerduty_configs", "url"), ("opsgenie_configs", "api_url"))
        for config in receiver.get(kind, [])
    ]
    assert addresses
    assert all(address.startswith("http://pagers:8025/") for address in addresses)
    # as the engine would read it in its container, but for where the keys are
    aimed.write_text(aimed.read_text().replace("/run/secrets/shopwatch", str(maker.secrets)))
    load_routing(aimed)


def test_a_routing_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    command = [sys.executable, str(COLLECTOR / "sandbox" / "aim.py"), str(tmp_path / "none.yml")]
    done = subprocess.run([*command, str(tmp_path / "copy.yml")], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "none.yml is no routing file" in done.stderr
    assert not list(tmp_path.iterdir())
