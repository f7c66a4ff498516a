"""What a process tells of itself, and how it ends: on real servers, with real signals."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from library_server import eventually
from server_processes import Server, running

UVICORN = ("uvicorn", "asgi_shop:app", "--port", "{port}", "--log-level", "warning", "--no-access-log")
GUNICORN = ("gunicorn", "--bind", "127.0.0.1:{port}", "--log-level", "warning", "flask_shop:app")


def total(server: Server, name: str, **labels: str) -> float:
    families = text_string_to_metric_families(server.get("/metrics").text)
    samples = [sample for family in families for sample in family.samples if sample.name == name]
    return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())


# ---------------------------------------------------------------- runtime metrics
def test_the_processes_of_a_group_are_added_up(tmp_path: Path) -> None:
    with running((*UVICORN, "--workers", "4"), tmp_path / "log") as server:
        eventually(lambda: total(server, "shopwatch_processes") == 4)
        pids = {server.get(f"/orders/{number}").json()["process"] for number in range(80)}
        eventually(lambda: total(server, "process_memory_usage_bytes") > 0)
        resident = sum(_resident(pid) for pid in pids)
        told = total(server, "process_memory_usage_bytes")
        assert told >= 0.7 * resident
        assert told <= 1.5 * 4 * resident / len(pids)
        assert total(server, "process_thread_count") >= 4
        assert total(server, "process_open_file_descriptor_count") > 20
        cpu = total(server, "process_cpu_time_seconds_total")
        assert cpu > 0.5  # four interpreters have started
        victim = next(iter(pids))
        os.kill(victim, signal.SIGKILL)
        eventually(lambda: total(server, "shopwatch_processes") in (3, 4) and not _lives(victim))
        assert total(server, "process_cpu_time_seconds_total") >= cpu
        assert "process_resident_memory_bytes" not in server.get("/metrics").text  # of one, by chance


def _resident(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _lives(pid: int) -> bool:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False


def test_what_blocks_the_event_loop_shows_as_lag(tmp_path: Path) -> None:
    with running(UVICORN, tmp_path / "log") as server:
        lag = "shopwatch_event_loop_lag_seconds"
        eventually(lambda: total(server, f"{lag}_count") >= 2)
        before = total(server, f"{lag}_bucket", le="+Inf") - total(server, f"{lag}_bucket", le="0.1")
        for _ in range(3):
            server.get("/block")
        late = eventually(
            lambda: total(server, f"{lag}_bucket", le="+Inf") - total(server, f"{lag}_bucket", le="0.1")
        )
        assert late > before
        assert total(server, "process_resident_memory_bytes") > 0  # a process alone keeps these too


def test_a_full_thread_pool_shows_who_waits(tmp_path: Path) -> None:
    with running(UVICORN, tmp_path / "log") as server, ThreadPoolExecutor(50) as clients:
        asked = [clients.submit(server.get, "/wait") for _ in range(50)]
        pool = {"shopwatch_thread_pool_name": "anyio"}
        seen: list[tuple[float, float]] = []

        def full() -> bool:
            numbers = [total(server, f"shopwatch_thread_pool_{what}", **pool) for what in ("used", "waiting")]
            seen.append((numbers[0], numbers[1]))
            return numbers[0] == 40 and numbers[1] > 0

        eventually(full)
        assert total(server, "shopwatch_thread_pool_max", **pool) == 40
        assert all(one.result().status_code == 200 for one in asked)


def test_the_garbage_collector_and_the_build_are_told(tmp_path: Path) -> None:
    environ = {"OTEL_RESOURCE_ATTRIBUTES": "vcs.ref.head.revision=abc123"}
    with running(UVICORN, tmp_path / "log", environ) as server:
        full = {"cpython_gc_generation": "2"}
        before = total(server, "cpython_gc_collections_total", **full)
        for _ in range(3):
            server.get("/collect")
        assert total(server, "cpython_gc_collections_total", **full) >= before + 3
        assert total(server, "shopwatch_gc_pause_seconds_count", **full) >= 3
        assert total(server, "shopwatch_build_info", vcs_ref_head_revision="abc123") == 1


def test_runtime_metrics_can_be_switched_off(tmp_path: Path) -> None:
    with running(UVICORN, tmp_path / "log", {"SHOPWATCH_RUNTIME_METRICS": "false"}) as server:
        server.get("/orders/1")
        text = server.get("/metrics").text
    assert "event_loop" not in text
    assert "process_cpu_time" not in text


# ---------------------------------------------------------------- drain
DRAINS = [
    pytest.param(UVICORN, "/orders/1", id="uvicorn"),
    pytest.param((*UVICORN, "--workers", "2"), "/orders/1", id="uvicorn-workers"),
    pytest.param((*GUNICORN, "--workers", "2"), "/shop/items/1", id="gunicorn-sync"),
    pytest.param((*GUNICORN, "--threads", "4"), "/shop/items/1", id="gunicorn-gthread"),
    pytest.param((*GUNICORN, "--worker-class", "gevent", "--preload"), "/shop/items/1", id="gunicorn-gevent"),
]


@pytest.mark.parametrize(("command", "path"), DRAINS)
def test_readiness_goes_down_first_and_requests_are_still_answered(
    command: Any, path: str, tmp_path: Path
) -> None:
    with running(command, tmp_path / "log", {"SHOPWATCH_DRAIN_SECONDS": "2"}, ready=path) as server:
        for _ in range(8):
            assert server.get(path).status_code == 200
        assert server.get("/readyz").status_code == 200
        started = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        eventually(lambda: _draining(server))
        assert server.get(path).status_code == 200
        assert total(server, "shopwatch_health_ready") == 0
        assert server.process.wait(15) in (0, -signal.SIGTERM)
        assert 1.5 < time.monotonic() - started < 10


def _draining(server: Server) -> bool:
    answer = server.get("/readyz")
    return answer.status_code == 503 and answer.json()["status"] == "draining"


def test_a_second_signal_ends_the_drain(tmp_path: Path) -> None:
    with running(UVICORN, tmp_path / "log", {"SHOPWATCH_DRAIN_SECONDS": "60"}) as server:
        server.process.send_signal(signal.SIGTERM)
        eventually(lambda: _draining(server))
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(15) in (0, -signal.SIGTERM)


def test_without_a_delay_a_server_ends_as_it_always_did(tmp_path: Path) -> None:
    command = ("hypercorn", "--bind", "127.0.0.1:{port}", "asgi_shop:app")
    for index, each in enumerate((UVICORN, GUNICORN, command)):
        with running(each, tmp_path / f"log{index}") as server:
            started = time.monotonic()
            server.process.send_signal(signal.SIGTERM)
            assert server.process.wait(15) in (0, -signal.SIGTERM)
            assert time.monotonic() - started < 8


# ---------------------------------------------------------------- health
def test_many_probes_cost_one_check_and_its_result_is_a_metric() -> None:
    from fastapi import FastAPI  # noqa: PLC0415 - of this test alone

    from library_server import serving  # noqa: PLC0415 - as above
    from shopwatch.testing import watch  # noqa: PLC0415 - as above

    asked: list[str] = []
    answers = {"database": True, "queue": False}

    def check(name: str) -> Callable[[], bool]:
        def ask() -> bool:
            asked.append(name)
            return answers[name]

        return ask

    checks = {name: check(name) for name in answers}
    with watch(FastAPI(), readiness=checks, environ={"SHOPWATCH_HEALTH_TTL_MS": "60000"}) as watched:
        with serving(watched.app) as url:
            said = [httpx.get(f"{url}/readyz", trust_env=False) for _ in range(20)]
        assert {answer.status_code for answer in said} == {503}
        assert sorted(asked) == ["database", "queue"]
        from shopwatch import catalogue  # noqa: PLC0415 - as above

        assert watched.value(catalogue.CHECK_STATUS, shopwatch_check_name="database") == 1
        assert watched.value(catalogue.CHECK_STATUS, shopwatch_check_name="queue") == 0
        assert watched.value(catalogue.CHECK_DURATION) == 2
        assert watched.value(catalogue.READY) == 0


def test_a_hanging_check_is_late_and_started_once() -> None:
    from shopwatch.health import TIMED_OUT, ReadinessProbe  # noqa: PLC0415 - of this test alone

    release, started = threading.Event(), []

    def hang() -> bool:
        started.append(1)
        return release.wait(20)

    probe = ReadinessProbe({"database": hang}, 0.05)
    assert [probe.blocking().checks["database"] for _ in range(3)] == [TIMED_OUT] * 3
    assert len(started) == 1
    release.set()
