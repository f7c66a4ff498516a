from __future__ import annotations

from typing import Any

import pytest

from shopwatch import settings


def read(environ: Any = None, **arguments: Any) -> Any:
    return settings.read(environ or {}, instance=lambda: "one", **arguments)


def test_defaults() -> None:
    found = read()
    assert (found.service, found.version, found.environment, found.track) == (
        "unknown_service",
        "",
        "",
        "stable",
    )
    assert found.traces.endpoint == "http://localhost:4318/v1/traces"
    assert found.logs.endpoint == "http://localhost:4318/v1/logs"
    assert (found.traces.queue, found.traces.batch, found.traces.delay_s) == (2_048, 512, 5)
    assert (found.logs.queue, found.logs.batch, found.logs.delay_s) == (2_048, 512, 1)
    assert (found.traces.enabled, found.logs.enabled, found.max_series) == (True, True, 2_000)
    assert found.problems == ()


ATTRIBUTES = "service.name=a,service.version=1%2C5,deployment.environment.name=test,team=checkout"


@pytest.mark.parametrize(
    ("environ", "arguments", "service", "version"),
    [
        pytest.param({"OTEL_RESOURCE_ATTRIBUTES": ATTRIBUTES}, {}, "a", "1,5", id="attributes"),
        pytest.param(
            {"OTEL_RESOURCE_ATTRIBUTES": ATTRIBUTES, "OTEL_SERVICE_NAME": "b"}, {}, "b", "1,5", id="own-name"
        ),
        pytest.param(
            {"OTEL_RESOURCE_ATTRIBUTES": ATTRIBUTES, "OTEL_SERVICE_NAME": "b"},
            {"service": "c", "version": "2"},
            "c",
            "2",
            id="arguments-win",
        ),
    ],
)
def test_service_comes_from(environ: Any, arguments: Any, service: Any, version: Any) -> None:
    found = read(environ, **arguments)
    assert (found.service, found.version, found.resource["team"]) == (service, version, "checkout")
    assert found.environment == "test"


@pytest.mark.parametrize(
    ("environ", "endpoint"),
    [
        pytest.param({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:1/"}, "http://c:1/v1/traces", id="shared"),
        pytest.param(
            {
                "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:1",
                "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://t:2/x",
            },
            "http://t:2/x",
            id="own-as-it-stands",
        ),
        pytest.param({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "http://localhost:4317", id="grpc"),
    ],
)
def test_endpoint(environ: Any, endpoint: Any) -> None:
    assert read(environ).traces.endpoint == endpoint


@pytest.mark.parametrize(
    ("environ", "traces", "logs"),
    [
        pytest.param({"OTEL_TRACES_EXPORTER": "none"}, False, True, id="no-traces"),
        pytest.param({"OTEL_LOGS_EXPORTER": "none"}, True, False, id="no-logs"),
        pytest.param({"OTEL_SDK_DISABLED": "TRUE"}, False, False, id="sdk-disabled"),
    ],
)
def test_signals_can_be_turned_off(environ: Any, traces: Any, logs: Any) -> None:
    found = read(environ)
    assert (found.traces.enabled, found.logs.enabled) == (traces, logs)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        pytest.param("SHOPWATCH_TRACK", "red", "stable, canary, blue, green", id="track"),
        pytest.param("SHOPWATCH_MAX_SERIES", "many", "a number", id="no-number"),
        pytest.param("SHOPWATCH_MAX_SERIES", "0", "a number", id="too-low"),
        pytest.param("SHOPWATCH_MAX_SERIES", "nan", "a number", id="nan"),
        pytest.param("OTEL_BSP_MAX_QUEUE_SIZE", "-1", "a number", id="negative-queue"),
        pytest.param("OTEL_TRACES_EXPORTER", "zipkin", "otlp, console, none", id="exporter"),
        pytest.param("OTEL_TRACES_SAMPLER", "sometimes", "parentbased_always_on", id="sampler"),
        pytest.param("OTEL_TRACES_SAMPLER_ARG", "1.5", "from 0 to 1", id="ratio"),
        pytest.param("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json", "http/protobuf, grpc", id="protocol"),
        pytest.param("OTEL_EXPORTER_OTLP_ENDPOINT", "collector", "a URL", id="endpoint"),
        pytest.param("OTEL_EXPORTER_OTLP_ENDPOINT", "http://[::1", "a URL", id="broken-endpoint"),
        pytest.param("OTEL_RESOURCE_ATTRIBUTES", "novalue", "key=value", id="resource"),
    ],
)
def test_a_wrong_value_is_named_and_the_default_used(name: Any, value: Any, expected: Any) -> None:
    found = read({name: value})
    problem, *_ = found.problems
    assert name in problem
    assert repr(value) in problem
    assert expected in problem
    assert (found.track, found.max_series, found.traces, found.sampler) == (
        "stable",
        2_000,
        read().traces,
        "parentbased_always_on",
    )


def test_a_wrong_track_argument_is_named() -> None:
    assert read(track="red").problems == (
        "track='red' is not usable: expected one of stable, canary, blue, green; using stable",
    )


def test_credentials_show_nowhere() -> None:
    secret = "http://user:hunter2@collector:4318"
    assert "hunter2" not in repr(read({"OTEL_EXPORTER_OTLP_ENDPOINT": secret}))
    assert "hunter2" not in str(read({"OTEL_EXPORTER_OTLP_ENDPOINT": secret.replace("http", "ftp")}).problems)


def test_a_batch_is_never_larger_than_its_queue() -> None:
    assert read({"OTEL_BSP_MAX_QUEUE_SIZE": "10"}).traces.batch == 10
