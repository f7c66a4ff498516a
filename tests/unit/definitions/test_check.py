"""``shopwatch check`` as a script calls it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from shopwatch_engine.cli.check import check

DATA = Path(__file__).parents[2] / "data"


def run(*arguments: str | Path, width: int = 80) -> Result:
    app = typer.Typer()
    app.command()(check)
    environ = {"COLUMNS": str(width), "SHOPWATCH_RULES": "", "SHOPWATCH_ROUTING": ""}
    return CliRunner().invoke(app, [str(one) for one in arguments], env=environ)


def test_all_is_well() -> None:
    done = run("--rules", DATA / "good", "--routing", DATA / "good" / "alertmanager.yml")
    assert done.exit_code == 0
    last = done.stdout.splitlines()[-1]
    assert last == "ok: 2 files, 5 groups, 8 alerts, 2 recording rules, 3 receivers, 14 warnings"
    assert all(" [missing-" in line for line in done.stdout.splitlines()[:-1])


def test_strict_makes_mistakes_of_warnings() -> None:
    assert run("--rules", DATA / "good", "--strict").exit_code == 1


def test_the_catalogue() -> None:
    done = run("--rules", DATA / "good" / "shop.yaml", "--catalogue")
    assert done.exit_code == 1
    assert "[unknown-metric] alert 'PaymentProviderSlow': nothing gives" in done.stdout


@pytest.mark.parametrize("width", [40, 80, 200])
def test_one_line_a_mistake_whatever_the_width(width: int) -> None:
    rules, routing = DATA / "bad" / "rules", DATA / "bad" / "routing" / "missing_keys.yml"
    done = run("--rules", rules, "--routing", routing, width=width)
    assert done.exit_code == 1
    lines = done.stdout.splitlines()
    assert all(line.startswith(str(DATA)) and " [" in line and "; " in line for line in lines)
    assert done.stderr.startswith(f"{len(lines)} mistakes in ")


def test_each_bad_file_exits_with_one() -> None:
    for kind, option in (("rules", "--rules"), ("routing", "--routing")):
        for file in sorted((DATA / "bad" / kind).glob("*.yml")):
            done = run(option, file)
            assert (done.exit_code, str(file) in done.stdout) == (1, True), file.name


def test_json() -> None:
    done = run("--rules", DATA / "bad" / "rules" / "unparsable.yml", "--json")
    told = json.loads(done.stdout)
    assert done.exit_code == 1
    assert (told["ok"], told["files"], told["alerts"]) == (False, 0, 0)
    [one] = told["findings"]
    assert (one["code"], one["level"], one["line"], one["column"]) == ("bad-yaml", "error", 6, 8)
    assert one["file"].endswith("unparsable.yml")
    good = json.loads(run("--routing", DATA / "good" / "alertmanager.yml", "--json").stdout)
    assert (good["ok"], good["receivers"], good["findings"]) == (True, 3, [])


def test_key_files_can_be_left_unread(tmp_path: Path) -> None:
    file = tmp_path / "routing.yml"
    file.write_text(
        "route: {receiver: a}\n"
        "receivers: [{name: a, pagerduty_configs: [{routing_key_file: nowhere}], "
        "opsgenie_configs: [{api_key_file: nowhere}]}]\n"
    )
    assert run("--routing", file).exit_code == 1
    done = run("--routing", file, "--without-keys")
    assert (done.exit_code, done.stdout) == (0, "ok: 1 receiver\n")


def test_a_missing_folder() -> None:
    done = run("--rules", DATA / "nowhere")
    assert done.exit_code == 1
    assert done.stdout.startswith(f"{DATA / 'nowhere'}: [missing-path] ")


def test_called_wrongly() -> None:
    assert run().exit_code == 2
    assert run("--no-such-option").exit_code == 2
