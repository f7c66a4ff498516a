"""The dashboards: built from the catalogue, up to date, and every query of theirs is one Prometheus takes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dashboard_queries import PanelQuery, queries
from shopwatch import catalogue
from shopwatch_engine.promql import describe

ROOT = Path(__file__).parents[2]
SHOP = ROOT / "dashboards" / "shop.json"
QUERIES = queries(SHOP)
RESOURCE_LABELS = {catalogue.prometheus_label(name) for name in catalogue.RESOURCE_LABELS}
SCRAPE_LABELS = {"job", "instance", "le"}

each_query = pytest.mark.parametrize("query", QUERIES, ids=lambda query: f"{query.panel}/{query.ref_id}")


def build(*arguments: str, folder: Path = ROOT / "dashboards") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(folder / "build.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def panels() -> list[dict[str, Any]]:
    return [one for one in json.loads(SHOP.read_text())["panels"] if one["type"] != "row"]


def copied(folder: Path) -> Path:
    """The folder's files in another one, so that a test may spoil them."""
    for path in [*SHOP.parent.glob("*.py"), SHOP]:
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def test_the_committed_json_is_what_the_code_builds() -> None:
    done = build("--check")
    assert (done.returncode, done.stderr) == (0, "")


def test_check_names_a_stale_file_and_build_mends_it(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    (folder / "shop.json").write_text("{}")
    refused = build("--check", folder=folder)
    assert refused.returncode == 1
    assert "shop.json is not what the code builds" in refused.stderr
    assert (folder / "shop.json").read_text() == "{}"
    assert build(folder=folder).returncode == 0
    assert (folder / "shop.json").read_bytes() == SHOP.read_bytes()


def test_the_dashboard_shows_what_the_runbooks_speak_of() -> None:
    rows = [one["title"] for one in json.loads(SHOP.read_text())["panels"] if one["type"] == "row"]
    assert rows == [
        "Requests",
        "Latency",
        "Database and calls",
        "Cache and queue",
        "Customers",
        "Processes",
        "Canary beside stable",
        "Alerts and pages",
    ]


def test_panels_are_numbered_apart_described_and_carry_a_unit() -> None:
    every = json.loads(SHOP.read_text())["panels"]
    assert len({one["id"] for one in every}) == len(every)
    for panel in panels():
        assert panel["description"], panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert all(target["legendFormat"] for target in panel["targets"]), panel["title"]


def test_panels_stand_side_by_side_and_none_overlaps_another() -> None:
    taken: set[tuple[int, int]] = set()
    for one in json.loads(SHOP.read_text())["panels"]:
        at = one["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, one["title"]
        assert at["x"] + at["w"] <= 24, one["title"]
        taken |= cells


@each_query
def test_every_name_in_a_query_stands_in_the_catalogue(query: PanelQuery) -> None:
    facts = describe(query.expr)
    assert facts.metric_names <= set(catalogue.SERIES), query.expr
    assert not facts.unnamed_selector, query.expr
    for use in facts.label_uses:
        for name in use.metric_names:
            known = {*catalogue.SERIES[name].labels, *RESOURCE_LABELS, *SCRAPE_LABELS}
            assert use.label in known, f"{name} has no label {use.label}: {query.expr}"


def test_a_real_prometheus_takes_every_query(prometheus: Callable[..., Any]) -> None:
    server = prometheus()
    for query in QUERIES:
        assert server.query(query.expr) == [], f"{query.panel}: {query.expr}"


def test_an_unknown_variable_is_named(tmp_path: Path) -> None:
    target = {"expr": "up{job=~'$nobody'}", "refId": "A"}
    spoilt = tmp_path / "spoilt.json"
    spoilt.write_text(json.dumps({"panels": [{"title": "Up", "targets": [target]}]}))
    with pytest.raises(ValueError, match=r"panel 'Up'.*\$nobody"):
        queries(spoilt)
