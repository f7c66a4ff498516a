"""Hostile and awkward requests, on real servers with several workers: nothing fails, nothing grows."""

from __future__ import annotations

import random
import socket
import string
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics

from library_server import eventually
from server_processes import Server, running

OPENMETRICS = {"accept": "application/openmetrics-text;version=1.0.0"}
GUNICORN = ("gunicorn", "--bind", "127.0.0.1:{port}", "--log-level", "critical")
SERVERS = [
    pytest.param(
        ("uvicorn", "asgi_shop:app", "--port", "{port}", "--workers", "4", "--log-level", "critical"),
        "/orders/1",
        id="uvicorn-4-workers",
    ),
    pytest.param(
        (*GUNICORN, "--workers", "2", "--worker-class", "gevent", "flask_shop:app"),
        "/shop/items/1",
        id="gunicorn-gevent",
    ),
    pytest.param((*GUNICORN, "--workers", "2", "django_shop:app"), "/shop/items/1/", id="django-wsgi"),
]


def raw(server: Server, request: bytes) -> bytes:
    """What a server answers to bytes; empty when it hangs up."""
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(request)
        try:
            return connection.recv(64)
        except OSError:
            return b""


def word(rng: random.Random, letters: str = string.ascii_letters) -> str:
    return "".join(rng.choices(letters, k=rng.randint(3, 12)))


def hostile(rng: random.Random, path: str) -> bytes:
    """One request of somebody who wants the series to grow, or the library to fall."""
    method = rng.choice(("GET", "POST", "BREW", word(rng, string.ascii_uppercase)))
    target = rng.choice(
        (path, f"/{word(rng)}/{word(rng)}", f"{path}?token={word(rng)}", "/%ff%00%0a", "//", "/..;/")
    )
    headers = [
        f"Host: {word(rng)}.example",
        f"User-Agent: {word(rng)} \"'<>",
        rng.choice(
            (
                f"traceparent: {word(rng)}",
                "traceparent: 00-00000000000000000000000000000000-0000000000000000-01",
                "traceparent: ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                f"traceparent: 00-{rng.getrandbits(128):032x}-{rng.getrandbits(64):016x}-01",
                f"tracestate: {','.join(f'{word(rng)}=1' for _ in range(50))}",
                f"baggage: {'k=' + 'v' * 4_000}",
                f"b3: {word(rng)}",
            )
        ),
    ]
    lines = (f"{method} {target} HTTP/1.1", *headers, "Connection: close", "", "")
    return "\r\n".join(lines).encode("latin-1")


def series(server: Server) -> set[tuple[str, Any]]:
    """The request metrics' series; parsing fails for text that is not OpenMetrics."""
    text = httpx.get(f"{server.url}/metrics", headers=OPENMETRICS, timeout=20, trust_env=False).text
    return {
        (sample.name, tuple(sorted(sample.labels.items())))
        for family in parse_openmetrics(text)
        for sample in family.samples
        if sample.name.startswith("http_server_request_duration_seconds_count")
    }


def total(server: Server, name: str) -> float:
    text = httpx.get(f"{server.url}/metrics", timeout=20, trust_env=False).text
    values = [
        line.rpartition(" ")[2] for line in text.splitlines() if line.startswith((f"{name} ", f"{name}{{"))
    ]
    return sum(map(float, values))


@pytest.mark.parametrize(("command", "path"), SERVERS)
def test_the_hostile_make_nothing_grow_and_nothing_fail(command: Any, path: str, tmp_path: Path) -> None:
    rng = random.Random(20)
    with running(command, tmp_path / "log", ready=path) as server:
        for _ in range(150):
            raw(server, hostile(rng, path))
        first = series(server)
        for _ in range(300):
            raw(server, hostile(rng, path))
        second = series(server)
        assert len(second) <= len(first) + 4, sorted(second - first)
        assert len(second) < 40
        labels = {name: value for _, pairs in second for name, value in pairs}
        assert ".example" not in str(labels)
        routes = {dict(pairs).get("http_route", "") for _, pairs in second}
        assert len(routes) <= 3, routes
        assert total(server, "shopwatch_telemetry_errors_total") == 0
        assert server.get(path).status_code == 200


@pytest.mark.parametrize(("command", "path"), SERVERS)
def test_a_megabyte_of_baggage_is_no_harm(command: Any, path: str, tmp_path: Path) -> None:
    with running(command, tmp_path / "log", ready=path) as server:
        for size in (7_000, 1_000_000):  # servers refuse headers of the second size themselves
            head = f"GET {path} HTTP/1.1\r\nHost: shop\r\nConnection: close\r\nbaggage: k="
            with_baggage = head.encode() + b"v" * size + b"\r\n\r\n"
            try:
                raw(server, with_baggage)
            except OSError:
                continue  # it hung up while the header was being sent
        assert server.get(path).status_code == 200
        assert total(server, "shopwatch_telemetry_errors_total") == 0


@pytest.mark.parametrize(("command", "path"), SERVERS)
def test_who_hangs_up_while_he_asks_leaves_no_request_in_flight(
    command: Any, path: str, tmp_path: Path
) -> None:
    with running(command, tmp_path / "log", ready=path) as server:
        host, port = server.url.removeprefix("http://").split(":")
        for _ in range(40):
            with socket.create_connection((host, int(port)), timeout=10) as connection:
                connection.sendall(
                    f"POST {path} HTTP/1.1\r\nHost: shop\r\nContent-Length: 9999\r\n\r\nx".encode()
                )
        assert server.get(path).status_code == 200
        eventually(lambda: total(server, "http_server_active_requests") == 0)
        assert total(server, "shopwatch_telemetry_errors_total") == 0
