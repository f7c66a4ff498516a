"""Metrics on a port of their own."""

from __future__ import annotations

import gzip
import http.client
import signal
from pathlib import Path
from typing import Any

import httpx
import pytest

from library_server import eventually
from server_processes import free_port, running

UVICORN = ["uvicorn", "--port", "{port}", "--log-level", "warning", "--no-access-log", "asgi_shop:app"]


@pytest.fixture
def port() -> int:
    return free_port()


def scrape(port: int, **headers: str) -> httpx.Response:
    return httpx.get(f"http://127.0.0.1:{port}/metrics", headers=headers)


def test_metrics_have_a_port_of_their_own_and_a_token(port: int, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("made-up\n")
    environ = {"SHOPWATCH_METRICS_PORT": str(port), "SHOPWATCH_METRICS_TOKEN_FILE": str(token)}
    with running(UVICORN, tmp_path / "log", environ) as server:
        server.get("/orders/1")
        assert server.get("/metrics").status_code == 404
        refused = scrape(port)
        assert (refused.status_code, refused.headers["www-authenticate"]) == (401, 'Bearer realm="metrics"')
        assert scrape(port, authorization="Bearer wrong").status_code == 401
        told = scrape(port, authorization="Bearer made-up")
        assert told.status_code == 200
        assert told.headers["content-encoding"] == "gzip"
        assert 'shopwatch_orders_total{service_name="shop"' in told.text
        assert httpx.get(f"http://127.0.0.1:{port}/readyz").json() == {"status": "ready", "checks": {}}
        assert httpx.get(f"http://127.0.0.1:{port}/else").status_code == 404
    assert "made-up" not in server.log.read_text()


def test_a_worker_takes_over_the_port_of_one_that_died(port: int, tmp_path: Path) -> None:
    command: list[Any] = [*UVICORN, "--workers", "2"]
    with running(command, tmp_path / "log", {"SHOPWATCH_METRICS_PORT": str(port)}) as server:
        for _ in range(10):
            server.get("/orders/1")
        for _ in range(2):
            try:
                server.get("/die")
            except httpx.TransportError:
                assert server.process.poll() is None
            told = eventually(lambda: answered(port), within_s=20)
            assert 'shopwatch_outcome="placed",shopwatch_track="stable"} 10.0' in told
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(15)


def answered(port: int) -> str:
    try:
        return scrape(port).text
    except httpx.TransportError:
        return ""


def test_gzip_is_sent_only_to_who_takes_it(port: int, tmp_path: Path) -> None:
    with running(UVICORN, tmp_path / "log", {"SHOPWATCH_METRICS_PORT": str(port)}):
        connection = http.client.HTTPConnection("127.0.0.1", port)
        bodies = []
        for accepted in ("gzip", "gzip;q=0", "identity"):
            connection.request("GET", "/metrics", headers={"Accept-Encoding": accepted})
            answer = connection.getresponse()
            bodies.append((answer.getheader("Content-Encoding"), answer.read()))
        connection.close()
    assert [encoding for encoding, _ in bodies] == ["gzip", None, None]
    assert b"# TYPE target_info gauge" in gzip.decompress(bodies[0][1])
    assert b"# TYPE target_info gauge" in bodies[1][1]
