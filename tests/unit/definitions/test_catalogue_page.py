"""``shopwatch catalogue``, and ``shopwatch check --events``: a team's own events beside the catalogue's."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import pytest
from typer.testing import CliRunner, Result

from shopwatch_engine.cli.app import app

PAGE = Path(__file__).parents[3] / "docs" / "catalogue.md"
OWN = '''
from dataclasses import dataclass
from typing import ClassVar

from shopwatch.catalogue import Event, Kind, Metric, label

CARDS = Metric(
    name="gift.{unique}",
    kind=Kind.COUNTER,
    unit="{{card}}",
    description="Cards.",
    attributes=("gift.design",),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class GiftCardSold(Event):
    """A gift card was sold."""

    name: ClassVar[str] = "gift.card.sold"
    counts: ClassVar[Metric | None] = CARDS
    design: str = label("{attribute}")
'''
RULES = """
groups:
  - name: gifts
    rules:
      - alert: no-gifts
        expr: rate(gift_{unique}_total{{gift_design="wedding"}}[5m]) == 0
        labels: {{severity: warning}}
        annotations: {{summary: Nobody buys gift cards, runbook_url: "https://example.com/gifts"}}
"""


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(one) for one in arguments])


@pytest.fixture
def unique() -> str:
    return f"cards{uuid4().hex[:8]}"


def own_file(folder: Path, unique: str, attribute: str = "gift.design") -> Path:
    file = folder / "events.py"
    file.write_text(OWN.format(unique=unique, attribute=attribute))
    return file


def test_the_page_in_the_documentation_is_the_catalogue() -> None:
    printed = run("catalogue")
    assert printed.exit_code == 0
    # declared by other tests of this run: what a team adds is printed only for --events
    assert PAGE.read_text() == printed.stdout, "run: shopwatch catalogue > docs/catalogue.md"


def test_a_teams_own_events_stand_on_the_page(tmp_path: Path, unique: str) -> None:
    printed = run("catalogue", "--events", own_file(tmp_path, unique)).stdout
    assert "### `GiftCardSold` (`gift.card.sold`)" in printed
    assert f"| `gift_{unique}_total` | counter | `gift_design` | Cards. |" in printed


def test_rules_may_speak_of_a_teams_own_metrics_once_they_are_declared(tmp_path: Path, unique: str) -> None:
    rules = tmp_path / "rules.yml"
    rules.write_text(RULES.format(unique=unique))
    before = run("check", "--rules", rules, "--catalogue")
    assert f"nothing gives the metric gift_{unique}_total" in before.stdout
    after = run("check", "--rules", rules, "--catalogue", "--events", own_file(tmp_path, unique))
    assert "nothing gives" not in after.stdout
    assert after.exit_code == 0


def test_an_event_that_cannot_be_is_told_with_its_file(tmp_path: Path, unique: str) -> None:
    file = own_file(tmp_path, unique, attribute="gift.colour")
    said = run("catalogue", "--events", file)
    assert said.exit_code == 2
    assert "events.py" in said.output
    assert "gift.design" in said.output


def test_a_file_that_does_not_run_is_told_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "events.py"
    file.write_text("\n1 / 0\n")
    said = run("catalogue", "--events", file)
    assert said.exit_code == 2
    assert "events.py:2" in said.output
