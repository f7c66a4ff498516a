"""The demo as a person runs it, on real servers: its promise, its plain output, and that nothing is left."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest

from dashboard_queries import queries
from shopwatch_engine.clock import SystemClock
from shopwatch_engine.demo import prometheus
from shopwatch_engine.demo.addresses import free_ports
from shopwatch_engine.demo.play import PAGERS
from shopwatch_engine.demo.processes import ProcessEnded
from shopwatch_engine.demo.run import Options, Outcome, run_demo
from shopwatch_engine.demo.shop import read_shop
from shopwatch_engine.demo.story import Line
from shopwatch_engine.servers import FoundServer

REPOSITORY = Path(__file__).parents[2]
SHOP = REPOSITORY / "examples" / "shop"
COMMAND = (sys.executable, "-m", "shopwatch_engine.cli", "demo")
OF_THE_ENGINE = {"Alerts", "Deliveries", "Delay of pages p95"}
IN_ALL_S = 170.0
MOST_DEMO_S = 150.0
WITHIN_S = 30.0


def processes_in(folder: Path) -> set[int]:
    """The processes whose command line or working folder lies below a folder."""
    found = set()
    for process in Path("/proc").iterdir():
        if not process.name.isdecimal():
            continue
        try:
            words = (process / "cmdline").read_text(errors="replace")
            place = str((process / "cwd").readlink())
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
        if str(folder) in words or place.startswith(str(folder)):
            found.add(int(process.name))
    return found


def wait_until_none_is_left(folder: Path) -> None:
    until = time.monotonic() + WITHIN_S
    while left := processes_in(folder):
        assert time.monotonic() < until, f"still there after {WITHIN_S:g} s: {left}"
        time.sleep(0.05)


def environ(folder: Path) -> dict[str, str]:
    return {**os.environ, "TMPDIR": str(folder)}


@pytest.mark.timeout(IN_ALL_S + 60)
def test_each_fault_ends_in_exactly_its_page_at_both_pagers(
    prometheus_binaries: FoundServer, tmp_path: Path
) -> None:
    assert prometheus_binaries
    told = tmp_path / "stderr"
    work = tmp_path / "work"
    work.mkdir()
    with told.open("wb") as errors, started("--json", "--keep", folder=work, stderr=errors) as demo:
        assert demo.stdout is not None
        said = demo.stdout.readline()  # comes with the verdict; everything goes on running
        assert said, told.read_text(encoding="utf-8")
        result = json.loads(said)
        answers = {name: answer_of(address) for name, address in result["addresses"].items()}
        shown = series_of_panels(result["addresses"]["Prometheus"])
        demo.send_signal(signal.SIGINT)
        assert demo.wait(WITHIN_S) == 0, f"{said!r}\n{told.read_text(encoding='utf-8')}"
    lines = told.read_text(encoding="utf-8")
    faults = {fault.name: fault.alert for fault in read_shop(SHOP, os.environ).faults}
    assert_all_pages(result["pages"], faults)
    assert result["seconds"] <= MOST_DEMO_S
    assert result["failures"] == []
    assert answers == dict.fromkeys(answers, 200)
    assert len(answers) == 4
    # the demo's Prometheus does not scrape the engine, and nothing was dropped
    assert {panel for panel, series in shown.items() if not series} <= OF_THE_ENGINE | {"Telemetry dropped"}
    assert "\x1b" not in lines
    assert "kill -9 of the engine: it owes both pages" in lines
    assert not processes_in(work)
    assert list(work.iterdir()) == [], "the work folder of a run that went well is removed"


@contextmanager
def started(*options: str, folder: Path, stderr: IO[bytes] | int) -> Iterator[subprocess.Popen[bytes]]:
    """The demo, under way; killed at the end if it is not over."""
    with subprocess.Popen(
        [*COMMAND, *options], cwd=REPOSITORY, env=environ(folder), stdout=subprocess.PIPE, stderr=stderr
    ) as demo:
        watchdog = threading.Timer(IN_ALL_S, demo.kill)
        watchdog.start()
        try:
            yield demo
        finally:
            watchdog.cancel()
            demo.kill()


def series_of_panels(prometheus_url: str) -> dict[str, int]:
    """How many series each panel of the shop's dashboard shows, in a Prometheus of a scrape a second."""
    shown: Counter[str] = Counter()
    for query in queries(REPOSITORY / "dashboards" / "shop.json", rate_interval_s=4):
        text = urllib.parse.urlencode({"query": query.expr})
        with urllib.request.urlopen(f"{prometheus_url}api/v1/query?{text}", timeout=WITHIN_S) as answer:
            shown[query.panel] += len(json.load(answer)["data"]["result"])
    return dict(shown)


def answer_of(address: str) -> int:
    with urllib.request.urlopen(address, timeout=WITHIN_S) as answer:
        return int(answer.status)


def assert_all_pages(pages: list[dict[str, Any]], faults: Mapping[str, str]) -> None:
    """A page for each fault and pager, with delays and evidence."""
    assert Counter((page["fault"], page["pager"]) for page in pages) == Counter(
        (name, pager) for name in faults for pager in PAGERS
    )
    for page in pages:
        assert page["alert"] == faults[page["fault"]]
        assert page["page_s"] > 0
        assert page["resolve_s"] > 0
        assert page["traces"] + page["logs"] > 0


@pytest.mark.parametrize(
    "number", [pytest.param(one, id=one.name) for one in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)]
)
def test_a_signal_ends_the_demo_and_all_its_processes(
    prometheus_binaries: FoundServer, tmp_path: Path, number: signal.Signals
) -> None:
    assert prometheus_binaries
    with started(folder=tmp_path, stderr=subprocess.STDOUT) as demo:
        assert demo.stdout is not None
        first = demo.stdout.readline()
        while b"starting prometheus" not in first:
            assert first, "it ended before it began"
            first = demo.stdout.readline()
        until = time.monotonic() + WITHIN_S
        while len(processes_in(tmp_path)) < 5:
            assert time.monotonic() < until, "no processes"
            time.sleep(0.02)
        demo.send_signal(number)
        demo.stdout.read()
        code = demo.wait(WITHIN_S)
    wait_until_none_is_left(tmp_path)
    if number is not signal.SIGKILL:
        assert code == 128 + number
        assert list(tmp_path.iterdir()) == []


def logs_kept_in(folder: Path) -> list[str]:
    return [log.name for log in folder.glob("*/logs/prometheus.log")]


class Listener:
    """A screen that only remembers lines."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def tell(self, line: Line) -> None:
        self.lines.append(line.text)

    def show(self, play: object, *, now: float) -> None:
        """Nothing to see."""

    def last_picture(self, *, width: int, height: int) -> str:
        return f"{width}x{height}"

    def close(self) -> None:
        """Nothing to close."""


async def test_a_port_that_somebody_takes_first_is_stepped_around_and_after_three_times_said(
    prometheus_binaries: FoundServer, tmp_path: Path
) -> None:
    screen = Listener()

    async def epilogue(_: Outcome) -> None:
        raise AssertionError("it cannot come that far")

    with socket.create_server(("127.0.0.1", 0)) as taken:

        def choose(names: Iterable[str]) -> Mapping[str, int]:
            return {**free_ports(names), prometheus.NAME: taken.getsockname()[1]}

        with pytest.raises(ProcessEnded, match="prometheus ended with 1"):
            await run_demo(
                Options(shop=SHOP, rules=REPOSITORY / "alert_rules", choose_ports=choose, folder=tmp_path),
                prometheus_binaries,
                environ=os.environ,
                screen=screen,
                clock=SystemClock(),
                epilogue=epilogue,
            )
    assert screen.lines.count("prometheus found its port taken: once more, on others") == 2
    await asyncio.to_thread(wait_until_none_is_left, tmp_path)
    assert logs_kept_in(tmp_path) == ["prometheus.log"], "those of the last try are kept"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        pytest.param(["--shop", "nowhere"], "demo: no demo shop in nowhere: ", id="shop"),
        pytest.param(["--rules", "nowhere"], "routing.yml: name the folder of the shipped", id="rules"),
    ],
)
def test_what_is_missing_is_said_in_a_line(
    prometheus_binaries: FoundServer, tmp_path: Path, options: list[str], said: str
) -> None:
    assert prometheus_binaries
    done = subprocess.run(
        [*COMMAND, *options],
        cwd=REPOSITORY,
        env=environ(tmp_path),
        capture_output=True,
        text=True,
        check=False,
        timeout=WITHIN_S,
    )
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []
