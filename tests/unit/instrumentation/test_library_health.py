from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from shopwatch.health import ReadinessProbe


async def asynchronous() -> Any:
    return True


async def asynchronous_no() -> Any:
    return False


def returns_awaitable() -> Any:
    return asynchronous()


def broken() -> None:
    raise ValueError("password=hunter2")


async def hangs() -> None:
    await asyncio.sleep(60)


@pytest.mark.parametrize(
    ("check", "result"),
    [
        pytest.param(lambda: True, "ok", id="plain"),
        pytest.param(lambda: False, "failed", id="plain-no"),
        pytest.param(asynchronous, "ok", id="async"),
        pytest.param(asynchronous_no, "failed", id="async-no"),
        pytest.param(returns_awaitable, "ok", id="returns-awaitable"),
        pytest.param(broken, "error: ValueError", id="raises-and-keeps-its-secret"),
        pytest.param(hangs, "timed out", id="hangs"),
    ],
)
async def test_a_check_says(check: Any, result: Any) -> None:
    said = await ReadinessProbe({"it": check}, timeout_s=0.5)()
    assert said.checks == {"it": result}
    assert said.ready is (result == "ok")


async def test_one_failed_check_makes_it_not_ready() -> None:
    said = await ReadinessProbe({"a": lambda: True, "b": lambda: False})()
    assert not said.ready


async def test_nothing_to_check_is_ready() -> None:
    assert (await ReadinessProbe({})()).ready


async def test_a_check_that_hangs_is_not_started_a_second_time() -> None:
    release, calls = threading.Event(), []

    def hanging() -> Any:
        calls.append(1)
        return release.wait(30)

    probe = ReadinessProbe({"it": hanging}, timeout_s=0.05)
    try:
        assert [(await probe()).checks["it"] for _ in range(3)] == ["timed out"] * 3
        assert len(calls) == 1
    finally:
        release.set()
