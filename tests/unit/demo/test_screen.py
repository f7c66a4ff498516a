from __future__ import annotations

import asyncio
import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from shopwatch_engine.demo.ending import Ending
from shopwatch_engine.demo.play import PAGERS, Fault, Page, Play, Turn
from shopwatch_engine.demo.run import Outcome
from shopwatch_engine.demo.screen import LiveScreen, PlainScreen, picture, verdict_table
from shopwatch_engine.demo.story import Line
from shopwatch_engine.demo.verdict import judge

NAMES = ("database-errors", "slow-payment-provider", "cache-misses", "d", "e", "f", "g", "bad-release")


def page(pager: str) -> Page:
    return Page(
        pager=pager,
        id=pager,
        alert="PaymentProviderSlow",
        service="s",
        title="the [provider] is slow",
        opened_at=104.2,
        resolved_at=131.9,
        traces=5,
        logs=10,
    )


def fault(name: str) -> Fault:
    return Fault(name=name, service="s", description="broken", alert="PaymentProviderSlow")


OVER = Turn(
    fault=fault(NAMES[0]),
    broken_at=100.0,
    pending_at=101.0,
    firing_at=104.0,
    repaired_at=110.0,
    pages=tuple(page(pager) for pager in PAGERS),
)
PLAY = Play(turns=(OVER, *(Turn(fault=fault(name)) for name in NAMES[1:])))
LINES = tuple(Line(at=100.0 + n, subject=NAMES[n % 8], text=f"line {n} {'x' * 90}") for n in range(60))
SIZES = [pytest.param(80, 24, id="80x24"), pytest.param(120, 40, id="120x40")]


def drawn(width: int, height: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width, height=height, color_system=None)
    with console.capture() as captured:
        console.print(picture(PLAY, LINES, began_at=90.0, now=165.0, width=width, height=height))
    return captured.get().splitlines()


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_the_picture_fits_the_screen_and_shows_the_latest_lines(width: int, height: int) -> None:
    rows = drawn(width, height)
    assert len(rows) <= height
    assert max(map(len, rows)) <= width
    assert rows[0].startswith("shopwatch demo")
    assert rows[0].endswith("1/8 faults   01:15")
    assert "line 59" in rows[-1]
    shown = rows[3].split()
    assert shown[0] == "database-errors"
    assert " ".join(shown[1:]).endswith("✓ resolved 4.2 s 4.2 s 5 tr, 10 log 21.9 s")


@pytest.mark.parametrize(
    ("times", "headline"),
    [
        pytest.param({}, "a shop, broken on purpose", id="before"),
        pytest.param({"killed_at": 2.0}, "the engine is dead", id="killed"),
        pytest.param({"killed_at": 2.0, "restarted_at": 2.5}, "is back and owes", id="started again"),
        pytest.param(
            {"killed_at": 2.0, "restarted_at": 2.5, "pages": OVER.pages}, "broken on purpose", id="paged"
        ),
    ],
)
def test_a_dead_engine_is_the_headline(times: dict[str, Any], headline: str) -> None:
    turn = Turn(fault=fault("x"), broken_at=1.0, is_crash=True, **times)
    console = Console(file=io.StringIO(), width=80, color_system=None)
    with console.capture() as captured:
        console.print(picture(Play(turns=(turn,)), (), began_at=0.0, now=3.0, width=80, height=24))
    assert headline in captured.get().splitlines()[0]


@pytest.mark.parametrize("width", [80, 120])
def test_the_final_table_is_whole_at_any_width(width: int) -> None:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    with console.capture() as captured:
        console.print(verdict_table(judge(PLAY, seconds=75.0), width=width))
    table = captured.get()
    assert "…" not in table
    assert table.count("PagerDuty") == table.count("Opsgenie") == 8
    assert table.count("PaymentProviderSlow") == 8
    assert "5 traces, 10 logs" in table
    assert "4.2 s" in table
    assert "21.9 s" in table


def test_plain_lines_have_a_time_and_neither_colour_nor_markup() -> None:
    file = io.StringIO()
    screen = PlainScreen(Console(file=file, force_terminal=False, color_system=None, width=80), began_at=90.0)
    screen.tell(Line(at=102.34, subject="slow", text="PagerDuty paged [bold]" + "x" * 100))
    screen.show(PLAY, now=103.0)
    screen.close()
    assert file.getvalue() == f"   12.3 s  {'slow':<22} PagerDuty paged [bold]{'x' * 100}\n"


def test_a_live_screen_shows_what_it_is_told_and_leaves_nothing() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=80, height=24, color_system=None)
    screen = LiveScreen(console, began_at=90.0)
    screen.tell(LINES[0])
    screen.show(PLAY, now=100.0)
    screen.close()
    assert "line 0" in console.file.getvalue()  # type: ignore[attr-defined]
    assert console.file.getvalue().endswith("\x1b[2K")  # type: ignore[attr-defined]


# ---------------------------------------------------------------- the end
def outcome(*, trouble: str = "") -> Outcome:
    play = Play(turns=(OVER,))
    return Outcome(
        verdict=judge(play, seconds=75.4, trouble=trouble),
        play=play,
        work=Path("kept/here"),
        addresses={"pages": "http://127.0.0.1:1/"},
    )


def ending(**given: object) -> tuple[Ending, io.StringIO]:
    file = io.StringIO()
    console = Console(file=file, force_terminal=False, color_system=None, width=120)
    screen = PlainScreen(console, began_at=90.0)
    return Ending(console=console, screen=screen, **given), file  # type: ignore[arg-type]


async def test_a_good_end_says_so() -> None:
    end, said = ending()
    await end(outcome())
    assert "1 fault, 2 pages" in said.getvalue()
    assert "FAILED" not in said.getvalue()


async def test_a_bad_end_names_what_failed_and_where_the_logs_are() -> None:
    end, said = ending()
    await end(outcome(trouble="waited 20 s for [nothing]"))
    assert "FAILED  waited 20 s for [nothing]\n" in said.getvalue()
    assert "kept in kept/here" in said.getvalue()


async def test_the_result_as_json_is_one_line() -> None:
    json_to = io.StringIO()
    end, _ = ending(json_to=json_to)
    await end(outcome(trouble="no"))
    told = json.loads(json_to.getvalue())
    assert (told["ok"], told["failures"], told["work"]) == (False, ["no"], "kept/here")
    assert json_to.getvalue().count("\n") == 1


async def test_the_drawing_asks_no_server_for_anything(tmp_path: Path) -> None:
    end, _ = ending(svg=tmp_path / "demo.svg")
    end.screen.show(PLAY, now=165.0)
    await end(outcome())
    svg = (tmp_path / "demo.svg").read_text(encoding="utf-8")
    assert "slow-payment-provider" in svg
    assert "url(http" not in svg.replace('"', "")
    assert "@font-face" not in svg


async def test_with_keep_it_prints_the_addresses_and_stays_until_told_to_leave() -> None:
    end, said = ending(keep=True)
    assert end.leave() is False
    staying = asyncio.create_task(end(outcome()))
    await asyncio.sleep(0)  # it says all it has to say before it waits
    assert "http://127.0.0.1:1/" in said.getvalue()
    assert end.leave() is True
    await asyncio.wait_for(staying, 5)
