from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from shop import load
from shop.load import loopback


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8000", "http://localhost:8000", "http://[::1]:8000", "http://127.3.2.1"]
)
def test_this_machine_takes_load(url: str) -> None:
    assert loopback(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "http://gateway:8000",
        "http://192.0.2.1:8000",
        "http://0.0.0.0:8000",
        "http://127.0.0.1.example.com",
        "http://127.0.0.1@example.com",
        "https://example.com",
        "localhost:8000",
        "",
    ],
)
def test_other_machines_do_not(url: str) -> None:
    with pytest.raises(ValueError, match="on this machine"):
        loopback(url)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        pytest.param(["--gateway", "http://192.0.2.1"], "on this machine", id="another machine"),
        pytest.param(["--gateway", "http://127.0.0.1:1", "--rate", "101"], "at most 100", id="rate"),
        pytest.param(["--gateway", "http://127.0.0.1:1", "--rate", "0"], "more than 0", id="no rate"),
        pytest.param(["--gateway", "http://127.0.0.1:1", "--seconds", "7201"], "at most 7200", id="time"),
    ],
)
def test_the_command_refuses_what_is_out_of_bounds(arguments: list[str], expected: str) -> None:
    done = run_load(arguments)
    assert done.returncode == 2
    assert expected in done.stderr


def test_without_a_shop_the_command_says_so() -> None:
    done = run_load(["--gateway", "http://127.0.0.1:1", "--seconds", "1"])
    assert (done.returncode, done.stdout) == (1, "")
    assert "no shop at http://127.0.0.1:1" in done.stderr


def run_load(arguments: list[str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "shop.load", *arguments]
    environ = {"PYTHONPATH": str(Path(load.__file__).parents[1])}
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)
