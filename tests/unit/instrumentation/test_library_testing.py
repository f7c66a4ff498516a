"""What ``shopwatch.testing`` gives the tests of a service."""

from __future__ import annotations

import logging
from pathlib import Path

import httpx
import pytest
import structlog
from fastapi import FastAPI
from flask import Flask

from library_server import serving
from shopwatch import catalogue, record
from shopwatch.testing import watch, watched

__all__ = ["watched"]  # the plugin's fixture

_log = logging.getLogger("orders")


def shop() -> FastAPI:
    app = FastAPI()

    @app.post("/orders")
    async def place() -> None:
        record(catalogue.Order(outcome="placed"))
        _log.info("order %d is placed", 7, extra={"sku": "mug"})

    return app


def test_an_application_is_watched_for_a_test_and_as_it_was_afterwards() -> None:
    app, flask = shop(), Flask("orders")
    before = dict(vars(app)), flask.wsgi_app
    with watch(app) as found:
        found.instrument(flask)
        with serving(app) as url:
            httpx.post(f"{url}/orders", trust_env=False)
        flask.test_client().get("/nothing").close()
        found.assert_metric(catalogue.ORDERS, 1, shopwatch_outcome="placed")
        found.assert_metric(catalogue.HTTP_SERVER_DURATION, 2)
        found.assert_span("POST /orders", **{"http.response.status_code": 200})
        found.assert_logged("order 7", level="INFO", sku="mug")
    after = {name: value for name, value in vars(app).items() if name != "middleware_stack"}
    assert after == {name: value for name, value in before[0].items() if name != "middleware_stack"}
    assert flask.wsgi_app == before[1]


def test_what_is_not_there_is_told_with_what_is() -> None:
    with watch(shop()) as found:
        record(catalogue.Order(outcome="failed"))
        _log.warning("no mug left")
        with found.telemetry.tracer.start_as_current_span("pack", attributes={"box": 3}):  # type: ignore[union-attr]
            """Nothing is packed."""
        with pytest.raises(AssertionError) as failed:
            found.assert_metric(catalogue.ORDERS, 1, shopwatch_outcome="placed")
        assert "shopwatch_orders_total{shopwatch_outcome='placed'} is 0, expected 1" in str(failed.value)
        assert "shopwatch_outcome='failed'" in str(failed.value)
        with pytest.raises(AssertionError, match=r"no span 'ship'[^$]*pack {'box': 3}"):
            found.assert_span("ship")
        with pytest.raises(AssertionError, match=r"no record with 'mug sold'[^$]*WARN no mug left"):
            found.assert_logged("mug sold")


def test_the_plugin_works_in_a_suite_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["shopwatch.testing"]\n')
    (tmp_path / "test_it.py").write_text(
        "from shopwatch import catalogue, record\n"
        "def test_it(watched):\n"
        "    record(catalogue.Order(outcome='placed'))\n"
        "    watched.assert_metric(catalogue.ORDERS, 1)\n"
        "def test_next(watched):\n"
        "    watched.assert_metric(catalogue.ORDERS, 0)\n"
    )
    import subprocess  # noqa: PLC0415 - of this test alone
    import sys  # noqa: PLC0415 - as above

    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "2 passed" in done.stdout, done.stdout


def test_structlogs_lines_have_trace_and_fields_and_no_field_breaks_them() -> None:
    structlog.reset_defaults()
    with watch(shop(), hooks=("structlog",)) as found:
        with found.telemetry.tracer.start_as_current_span("checkout") as span:  # type: ignore[union-attr]
            log = structlog.get_logger("checkout")
            log.info("100% placed", order=7, name="Ann", message="hi", token="s3cret")
        line = found.assert_logged("100% placed", order=7, name_="Ann", message_="hi")
        assert line.log_record.trace_id == span.get_span_context().trace_id
        assert "s3cret" not in str(line.log_record.attributes)
        try:
            {}["order"]
        except KeyError:
            log.exception("it failed")
        failed = found.assert_logged("it failed", level="ERROR")
        assert dict(failed.log_record.attributes or {})["exception.type"] == "KeyError"
    assert not structlog.is_configured()


def test_a_service_that_has_configured_structlog_keeps_its_configuration() -> None:
    structlog.configure(processors=[structlog.processors.KeyValueRenderer()])
    with watch(shop(), hooks=("structlog",)):
        assert len(structlog.get_config()["processors"]) == 1
    structlog.reset_defaults()
