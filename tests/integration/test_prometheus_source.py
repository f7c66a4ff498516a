"""PrometheusSource, and the fake that stands for it, against a real Prometheus."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Iterator
from threading import Thread
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import make_wsgi_app

from real_prometheus import RealPrometheus, StartPrometheus, running_prometheus
from shopwatch_engine.evidence import exemplar_expr, exemplar_traces
from shopwatch_engine.exceptions import SourceError
from shopwatch_engine.model import LabelSet, NotifiedAlert, Sample
from shopwatch_engine.ports import MetricSource
from shopwatch_engine.servers import FoundServer
from shopwatch_engine.sources import PrometheusSource
from shopwatch_engine.testing.sources import FakeMetricSource

TRACE_A, TRACE_B = "a" * 32, "b" * 32
GAUGES = {"orders": 3.0, "payments": math.inf, "auth": math.nan}


class Quiet(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        """A scrape every 200 ms is nothing to write of."""


def shop_registry() -> CollectorRegistry:
    registry = CollectorRegistry()
    load = Gauge("shop_load", "A number a service.", ["service_name"], registry=registry)
    for service, value in GAUGES.items():
        load.labels(service).set(value)
    took = Histogram("shop_took_seconds", "Durations.", ["service_name"], buckets=(0.1, 1), registry=registry)
    took.labels("orders").observe(0.05, {"trace_id": TRACE_A})
    took.labels("orders").observe(5.0, {"trace_id": TRACE_B})
    took.labels("payments").observe(0.05, {"trace_id": "c" * 32})
    Counter("shop_sales", "Sales.", registry=registry).inc(7, {"trace_id": TRACE_A})
    return registry


@pytest.fixture(scope="module")
def target() -> Iterator[str]:
    """A service that is scraped, in OpenMetrics; its address."""
    with make_server("127.0.0.1", 0, make_wsgi_app(shop_registry()), handler_class=Quiet) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def server(
    prometheus_binaries: FoundServer, target: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RealPrometheus]:
    scrape = [{"job_name": "shop", "static_configs": [{"targets": [target]}]}]
    folder = tmp_path_factory.mktemp("prometheus")
    with running_prometheus(prometheus_binaries, folder, scrape=scrape) as running:
        running.wait_for("shop_load")
        yield running


@pytest.fixture
async def real(server: RealPrometheus) -> AsyncIterator[PrometheusSource]:
    source = PrometheusSource(server.url)
    yield source
    await source.close()


def fake(target: str) -> FakeMetricSource:
    def labels(**more: str) -> LabelSet:
        return LabelSet.of({"__name__": "shop_load", "job": "shop", "instance": target, **more})

    loads = tuple(Sample(labels=labels(service_name=name), value=value) for name, value in GAUGES.items())
    orders = tuple(one for one in loads if one.labels.get("service_name") == "orders")
    bare = tuple(Sample(labels=one.labels.without("__name__"), value=one.value * 2) for one in orders)
    return FakeMetricSource(
        {
            "shop_load": loads,
            'shop_load{service_name="orders"}': orders,
            'shop_load{service_name="orders"} * 2': bare,
            "1 + 1": (Sample(labels=LabelSet(), value=2.0),),
            "up[5m]": SourceError("the expression answers a matrix", culprit=True),
            "shop_load * on () shop_load": SourceError("many-to-many matching", culprit=True),
        }
    )


@pytest.fixture(params=["fake", "real"])
def source(request: pytest.FixtureRequest, target: str, real: PrometheusSource) -> MetricSource:
    return real if request.param == "real" else fake(target)


def by_service(samples: tuple[Sample, ...]) -> dict[str, str]:
    return {sample.labels.get("service_name"): str(sample.value) for sample in samples}


class TestEveryMetricSource:
    async def test_answers_a_vector_with_every_kind_of_number(self, source: MetricSource) -> None:
        found = await source.query("shop_load", time.time())
        assert by_service(found) == {"orders": "3.0", "payments": "inf", "auth": "nan"}
        assert {sample.labels.get("__name__") for sample in found} == {"shop_load"}

    async def test_answers_nothing_of_what_is_not_there(self, source: MetricSource) -> None:
        assert await source.query("no_such_metric > 1", time.time()) == ()

    async def test_takes_a_scalar_for_a_sample_without_labels(self, source: MetricSource) -> None:
        assert await source.query("1 + 1", time.time()) == (Sample(labels=LabelSet(), value=2.0),)

    async def test_answers_a_batch_mark_by_mark(self, source: MetricSource) -> None:
        one, two = (
            f'label_replace((\n{expr}\n), "__rule__", "{mark}", "", "")'
            for mark, expr in enumerate(
                ['shop_load{service_name="orders"}', 'shop_load{service_name="orders"} * 2 # twice']
            )
        )
        found = await source.query(f"({one} or ({two} or no_such_metric))", time.time())
        assert {sample.labels.get("__rule__"): sample.value for sample in found} == {"0": 3.0, "1": 6.0}

    @pytest.mark.parametrize(
        "expr",
        [
            pytest.param("shop_load{", id="does-not-parse"),
            pytest.param("up[5m]", id="matrix"),
            pytest.param("shop_load * on () shop_load", id="many-to-many"),
        ],
    )
    async def test_names_the_culprit(self, source: MetricSource, expr: str) -> None:
        with pytest.raises(SourceError) as raised:
            await source.query(expr, time.time())
        assert raised.value.culprit


async def test_what_prometheus_says_of_an_error_is_passed_on(real: PrometheusSource) -> None:
    with pytest.raises(SourceError, match=r"HTTP 422, execution.*many-to-many"):
        await real.query("shop_load * on () shop_load", time.time())
    with pytest.raises(SourceError, match=r"HTTP 400, bad_data.*unknown function"):
        await real.query("no_such_function(up)", time.time())


async def test_the_time_is_the_one_that_is_given(real: PrometheusSource) -> None:
    assert await real.query("shop_load", time.time() - 86_400) == ()
    (sample,) = await real.query("time()", 1_234.5)
    assert sample.value == 1_234.5


async def test_a_batch_of_half_a_megabyte(real: PrometheusSource) -> None:
    long = " + ".join(['count(shop_load{service_name!="' + "x" * 500 + '"})'] * 1_000)
    (sample,) = await real.query(long, time.time())
    assert sample.value == 3_000


async def test_exemplars_of_the_selected_series_newest_first(real: PrometheusSource) -> None:
    expr = 'shop_took_seconds_bucket{service_name="orders"} or shop_sales_total'
    now = time.time()
    until = now + 20
    found = await real.exemplars(expr, now - 60, now + 60)
    while len(found) < 3 and time.time() < until:  # scraped a moment after the samples
        await asyncio.sleep(0.05)
        found = await real.exemplars(expr, now - 60, now + 60)
    assert {(one.trace_id, one.value) for one in found} == {(TRACE_A, 0.05), (TRACE_B, 5.0), (TRACE_A, 7.0)}
    assert list(found) == sorted(found, key=lambda one: one.at, reverse=True)
    assert await real.exemplars(expr, now - 3_600, now - 3_000) == ()
    with pytest.raises(SourceError, match="bad_data"):
        await real.exemplars("shop_load{", 0, 1)


async def test_an_alert_on_a_histograms_count_leads_to_its_traces(real: PrometheusSource) -> None:
    """What evidence asks is what Prometheus understands, whichever series of a histogram is alerted on."""
    now = time.time()
    alert = NotifiedAlert(
        labels=LabelSet.of({"alertname": "Slow", "severity": "critical", "service_name": "orders"}),
        annotations=LabelSet(),
        firing=True,
        value=1.0,
        starts_at=now - 60,
        expr="sum by (service_name) (rate(shop_took_seconds_count[1m])) > 0 or shop_sales_total > 5",
    )
    found = await real.exemplars(exemplar_expr([alert]), now - 60, now + 60)
    assert set(exemplar_traces(found, [alert])) == {TRACE_A, TRACE_B}


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        pytest.param(["--query.max-samples=1000"], r"HTTP 422, execution.*too many samples", id="samples"),
        pytest.param(["--query.timeout=1ms"], r"HTTP 503, timeout.*timed out", id="time"),
    ],
)
async def test_a_query_that_prometheus_gives_up_is_the_querys_fault(
    prometheus: StartPrometheus, flags: list[str], said: str
) -> None:
    source = PrometheusSource(prometheus(flags=flags).url)
    with pytest.raises(SourceError, match=said) as raised:
        await source.query("count_over_time((time() + time() * vector(1))[5d:1s])", time.time())
    await source.close()
    assert raised.value.culprit


async def test_a_restart_is_an_error_while_it_lasts_and_no_longer(
    prometheus_binaries: FoundServer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with running_prometheus(prometheus_binaries, tmp_path_factory.mktemp("restart")) as server:
        source = PrometheusSource(server.url, timeout_s=5.0)
        assert await source.query("1", time.time())
        server.stop()
        with pytest.raises(SourceError, match=r"cannot connect \(Connect call failed") as raised:
            await source.query("1", time.time())
        assert not raised.value.culprit
        server.start()
        assert await source.query("1", time.time())
        await source.close()
