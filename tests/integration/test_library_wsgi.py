"""Flask and Django on real servers."""

from __future__ import annotations

import json
import random
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from prometheus_client.parser import text_string_to_metric_families as parse_text

from library_server import eventually
from server_processes import Server, running

GUNICORN = ["gunicorn", "--bind", "127.0.0.1:{port}", "--workers", "1", "--log-level", "warning"]
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture(params=["sync", "gthread", "gevent"])
def flask_shop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    command = [*GUNICORN, "--worker-class", request.param, "--threads", "4", "flask_shop:app"]
    with running(command, tmp_path / "log") as server:
        yield server


@pytest.fixture(params=["0", "1"], ids=["wrapped", "by-hand"])
def by_hand(request: pytest.FixtureRequest) -> str:
    """Whether the middleware stands in Django's MIDDLEWARE, rather than around the application."""
    return str(request.param)


@pytest.fixture(
    params=[
        ("wsgi", [*GUNICORN, "django_shop:app"]),
        ("asgi", ["uvicorn", "--port", "{port}", "--log-level", "warning", "django_shop:app"]),
    ],
    ids=["wsgi", "asgi"],
)
def django_shop(request: pytest.FixtureRequest, by_hand: str, tmp_path: Path) -> Iterator[Server]:
    interface, command = request.param
    with running(command, tmp_path / "log", {"INTERFACE": interface, "MIDDLEWARE": by_hand}) as server:
        yield server


def counted(server: Server) -> dict[tuple[str, str, str], float]:
    """Requests by route, status and error."""
    families = parse_text(server.get("/metrics").text)
    return {
        (s.labels["http_route"], s.labels["http_response_status_code"], s.labels["error_type"]): s.value
        for family in families
        for s in family.samples
        if s.name == "http_server_request_duration_seconds_count"
    }


def lines(server: Server) -> list[dict[str, Any]]:
    return [json.loads(line) for line in server.lines() if line.startswith("{")]


def test_flask_routes_outcomes_and_lines(flask_shop: Server) -> None:
    for path in ("/shop/items/1", "/shop/items/2", "/boom", "/teapot", "/nothing-there", "/mnt/deep/x"):
        flask_shop.get(path, traceparent=PARENT)
    assert counted(flask_shop) == {
        ("/shop/items/<int:item>", "200", ""): 2,
        ("/boom", "500", "ValueError"): 1,
        ("/teapot", "503", "503"): 1,
        ("", "404", ""): 1,
        ("/mnt/deep/<name>", "200", ""): 1,
    }
    texts = eventually(lambda: (found := lines(flask_shop)) and len(found) >= 7 and found)
    [failed] = [line for line in texts if line["body"]["text"].startswith("GET /boom 500")]
    assert failed["severity_text"] == "ERROR"
    assert failed["trace_id"] == PARENT.split("-")[1]
    assert failed["attributes"]["exception.message"] == "the basket is empty"
    assert failed["resource"]["attributes"]["service.name"] == "flask-shop"
    [logged] = [line for line in texts if line["scope"]["name"] == "shop"]
    assert logged["attributes"]["http.route"] == "/boom"


def test_a_client_that_hangs_up_on_flask_is_an_outcome_of_its_own(flask_shop: Server) -> None:
    host, port = urlsplit(flask_shop.url).netloc.split(":")
    with socket.create_connection((host, int(port))) as client:
        client.sendall(b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.recv(64)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    eventually(lambda: counted(flask_shop).get(("/stream", "200", "client_disconnect")) == 1)


def test_random_requests_make_no_new_series(flask_shop: Server) -> None:
    seeded = random.Random(7)
    for _ in range(60):
        word = "".join(seeded.choices("abcdefgh", k=8))
        flask_shop.get(f"/{word}?{word}={word}", **{"user-agent": word, "x-forwarded-host": word})
    assert counted(flask_shop) == {("", "404", ""): 60}


def test_django_routes_and_outcomes(django_shop: Server) -> None:
    for path in ("/shop/items/1/", "/shop/items/2/", "/boom", "/nothing-there", "/stream"):
        django_shop.get(path)
    assert counted(django_shop) == {
        ("/shop/items/<int:item>/", "200", ""): 2,
        ("/stream", "200", ""): 1,
        ("/boom", "500", "ValueError"): 1,
        ("", "404", ""): 1,
    }
