from __future__ import annotations

import functools
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette

import shopwatch
from shopwatch import instrument, telemetry
from shopwatch.middleware.asgi import ASGIMiddleware

ROOT = logging.getLogger()
OFF = {"OTEL_SDK_DISABLED": "true"}


@pytest.fixture(autouse=True)
def _restored() -> Iterator[Any]:
    handlers, level, before = list(ROOT.handlers), ROOT.level, telemetry.use(None)
    yield
    ROOT.handlers[:] = handlers
    ROOT.setLevel(level)
    telemetry.use(before)


async def bare(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body"})


class Application:
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await bare(scope, receive, send)


def test_a_frameworks_application_stays_the_same_object() -> None:
    for app in (FastAPI(), Starlette()):
        assert instrument(app, environ=OFF, registry=CollectorRegistry()) is app


def test_a_second_time_changes_nothing() -> None:
    app = Starlette()
    registry = CollectorRegistry()
    stack = instrument(app, environ=OFF, registry=registry).build_middleware_stack
    assert instrument(app, environ=OFF, registry=registry).build_middleware_stack is stack


@pytest.mark.parametrize(
    "app", [bare, Application(), functools.partial(bare)], ids=["function", "object", "partial"]
)
def test_a_bare_callable_gets_a_wrapper(app: Any) -> None:
    assert isinstance(instrument(app, environ=OFF, registry=CollectorRegistry()), ASGIMiddleware)


@pytest.mark.parametrize(
    ("app", "got"),
    [
        pytest.param(None, "NoneType", id="none"),
        pytest.param("shop:app", "shop:app", id="name-of-an-app"),
        pytest.param(FastAPI, "FastAPI", id="class"),
        pytest.param(lambda _request: None, "lambda", id="view"),
    ],
)
def test_what_is_no_application_is_refused_by_name(app: Any, got: Any) -> None:
    with pytest.raises(TypeError, match="expected a FastAPI, Starlette") as caught:
        instrument(app, environ=OFF)
    assert got in str(caught.value)


def test_a_wrong_setting_is_one_warning_and_no_error(caplog: Any) -> None:
    instrument(bare, environ={**OFF, "SHOPWATCH_TRACK": "red"}, registry=CollectorRegistry())
    (line,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert (
        line
        == "SHOPWATCH_TRACK='red' is not usable: expected one of stable, canary, blue, green; using stable"
    )


def test_a_registry_of_its_own_gets_the_process_metrics_once() -> None:
    registry = CollectorRegistry()
    for _ in range(2):
        instrument(bare, environ=OFF, registry=registry)
    names = [family.name for family in registry.collect()]
    assert names.count("process_cpu_seconds") == 1
    assert names.count("python_info") == 1


def test_the_public_names() -> None:
    assert sorted(shopwatch.__all__) == [
        "ShopwatchMiddleware",
        "__version__",
        "instrument",
        "record",
        "start",
    ]
