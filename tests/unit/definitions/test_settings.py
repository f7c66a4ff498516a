"""Where a setting comes from, and which of several origins wins."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from shopwatch_engine.definitions import Settings, load_settings
from shopwatch_engine.exceptions import DefinitionError

NEEDED = {
    "SHOPWATCH_PROMETHEUS": "http://127.0.0.1:9090/",
    "SHOPWATCH_RULES": os.pathsep.join(["rules", "/etc/more"]),
    "SHOPWATCH_ROUTING": "routing.yml",
}


def write(folder: Path, text: str) -> Path:
    (folder / "shopwatch.yml").write_text(text)
    return folder / "shopwatch.yml"


def test_environment_alone_is_enough() -> None:
    assert load_settings(None, NEEDED) == Settings(
        prometheus="http://127.0.0.1:9090",
        rules=(Path("rules"), Path("/etc/more")),
        routing=Path("routing.yml"),
        store="sqlite:///shopwatch.sqlite3",
        listen="127.0.0.1:9095",
        evaluation_interval_s=60.0,
        unknown_after_s=300.0,
        query_timeout_s=10.0,
    )


def test_a_file_alone_is_enough_and_its_paths_count_from_its_folder(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        """
prometheus: http://127.0.0.1:9090
rules: [rules, /etc/more]
routing: routing.yml
store: sqlite:////var/lib/shopwatch.sqlite3
listen: "[::1]:9095"
grafana: https://grafana.example/base/
jaeger:
telemetry: sqlite:///telemetry.sqlite3
evaluation_interval: 15s
unknown_after: 2m
query_timeout: 2s500ms
""",
    )
    settings = load_settings(None, {"SHOPWATCH_CONFIG": str(file)})
    assert settings == load_settings(file, {})
    assert settings.rules == (tmp_path / "rules", Path("/etc/more"))
    assert settings.routing == tmp_path / "routing.yml"
    assert (settings.listen, settings.grafana, settings.jaeger) == (
        "[::1]:9095",
        "https://grafana.example/base",
        "",
    )
    assert (settings.evaluation_interval_s, settings.unknown_after_s, settings.query_timeout_s) == (
        15,
        120,
        2.5,
    )


def test_one_path_need_not_be_a_list(tmp_path: Path) -> None:
    assert load_settings(write(tmp_path, "rules: rules\n"), {**NEEDED, "SHOPWATCH_RULES": ""}).rules == (
        tmp_path / "rules",
    )


@pytest.mark.parametrize(
    ("option", "variable", "file", "expected"),
    [
        pytest.param("o:1", "v:2", "f:3", "o:1", id="option first"),
        pytest.param("", "v:2", "f:3", "v:2", id="variable second"),
        pytest.param("", "", "f:3", "f:3", id="file third"),
        pytest.param(None, "", "", "127.0.0.1:9095", id="default last"),
    ],
)
def test_who_wins(tmp_path: Path, option: str | None, variable: str, file: str, expected: str) -> None:
    path = write(tmp_path, f"listen: {file}\n")
    environ = {**NEEDED, "SHOPWATCH_LISTEN": variable}
    assert load_settings(path, environ, {"listen": option}).listen == expected


def test_each_wrong_value_is_named_with_its_origin(tmp_path: Path) -> None:
    path = write(tmp_path, "prometheus: http://user:hidden-word@host:port\nquery_timeout: 0\n")
    environ = {"SHOPWATCH_LISTEN": "9095", "SHOPWATCH_ROUTING": "r.yml"}
    with pytest.raises(DefinitionError) as caught:
        load_settings(path, environ, {"store": "mysql://x", "rules": [Path("a"), Path("b")]})
    said = str(caught.value).splitlines()
    assert [line.partition(" [")[0] for line in said] == [
        f"{path}:1:13:",
        f"{path}:2:16:",
        "option --store:",
        "variable SHOPWATCH_LISTEN:",
    ]
    assert "hidden-word" not in str(caught.value)


def test_what_is_missing_is_named_with_every_way_to_give_it() -> None:
    with pytest.raises(DefinitionError) as caught:
        load_settings(None, {})
    said = str(caught.value).splitlines()
    assert len(said) == 3
    assert "--prometheus, SHOPWATCH_PROMETHEUS or prometheus: in a settings file" in said[0]


def test_a_missing_file_is_the_only_finding(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match=r"none\.yml does not exist") as caught:
        load_settings(tmp_path / "none.yml", {})
    assert len(caught.value.findings) == 1


def test_passwords_in_addresses_are_masked() -> None:
    settings = load_settings(None, {**NEEDED, "SHOPWATCH_PROMETHEUS": "http://me:hidden-word@host:9090"})
    assert settings.prometheus == "http://me:hidden-word@host:9090"
    assert "hidden-word" not in f"{settings} {settings!r}"
