from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from urllib.parse import parse_qs, urlsplit

import pytest

from shopwatch_engine.evidence import (
    LINE_LIMIT,
    LINES,
    Gatherer,
    Links,
    chosen_lines,
    chosen_traces,
    exemplar_expr,
    exemplar_traces,
    gather,
    services_of,
    window_start,
)
from shopwatch_engine.exceptions import SourceError
from shopwatch_engine.model import (
    Evidence,
    Exemplar,
    LabelSet,
    Link,
    LogLine,
    Notification,
    NotifiedAlert,
    TraceSummary,
)
from shopwatch_engine.testing.sources import FakeLogSource, FakeMetricSource, FakeTraceSource

NOW = 1_700_000_000.0
SERIES = 'http_server_request_duration_seconds_count{http_response_status_code=~"5.."}'
EXPR = f"sum by (service_name) (rate({SERIES}[1m])) > 1"


def alert(
    *, starts_at: float = NOW - 60, expr: str = EXPR, firing: bool = True, **labels: str
) -> NotifiedAlert:
    named = {"alertname": "Errors", "severity": "critical", "service_name": "orders", **labels}
    return NotifiedAlert(
        labels=LabelSet.of(named),
        annotations=LabelSet(),
        firing=firing,
        value=7.0,
        starts_at=starts_at,
        expr=expr,
    )


def page(*alerts: NotifiedAlert, external_url: str = "", **annotations: str) -> Notification:
    told = alerts or (alert(),)
    return Notification(
        dedup_key="k",
        receiver="r",
        group_labels=LabelSet(),
        alerts=tuple(replace(one, annotations=LabelSet.of(annotations)) for one in told),
        opened_at=NOW - 50,
        at=NOW,
        external_url=external_url,
    )


def trace(
    number: int, *, service: str = "orders", errors: int = 0, took: float = 1.0, error: str = ""
) -> TraceSummary:
    return TraceSummary(
        trace_id=f"{number:032x}",
        service=service,
        name="POST /orders",
        started_at=NOW - 30,
        duration_s=took,
        spans=3,
        errors=errors,
        error=error,
    )


def line(
    body: str, *, at: float = NOW - 20, severity: int = 17, number: int = 0, service: str = "orders"
) -> LogLine:
    trace_id = f"{number:032x}" if number else ""
    return LogLine(
        at=at, service=service, severity_text="", severity_number=severity, body=body, trace_id=trace_id
    )


def exemplar(number: int, *, value: float = 1.0, at: float = NOW - 10, **labels: str) -> Exemplar:
    return Exemplar(labels=LabelSet.of(labels), trace_id=f"{number:032x}", value=value, at=at)


@dataclass
class Box:
    """Sources that know of one failing service."""

    metrics: FakeMetricSource = field(default_factory=lambda: FakeMetricSource(exemplars=[exemplar(1)]))
    logs: FakeLogSource = field(
        default_factory=lambda: FakeLogSource([line("of the trace", number=1), line("of the service")])
    )
    traces: FakeTraceSource = field(default_factory=FakeTraceSource)

    def __post_init__(self) -> None:
        self.traces.add(trace(1, took=0.5))
        self.traces.add(trace(2, errors=1, took=3.0, error="declined"))

    async def gather(self, notification: Notification | None = None, timeout_s: float = 5.0) -> Evidence:
        return await gather(
            notification=notification or page(),
            now=NOW,
            metrics=self.metrics,
            logs=self.logs,
            traces=self.traces,
            links=Links(),
            timeout_s=timeout_s,
        )


def numbers(traces: tuple[TraceSummary, ...]) -> list[int]:
    return [int(one.trace_id, 16) for one in traces]


async def test_traces_lines_and_links_come_together() -> None:
    found = await Box().gather(page(runbook_url="https://docs.example/errors"))
    assert numbers(found.traces) == [1, 2]
    assert {one.body for one in found.logs} == {"of the trace", "of the service"}
    assert found.links == (Link(text="Runbook", href="https://docs.example/errors"),)
    assert (found.missing, found.gathered_at) == ((), NOW)


async def test_what_is_asked_is_about_the_alert_alone() -> None:
    box = Box()
    await box.gather(page(alert(starts_at=NOW - 60)))
    (asked,) = box.metrics.exemplar_queries
    assert asked == (
        'http_server_request_duration_seconds_bucket{http_response_status_code=~"5..",service_name="orders"}'
    )
    assert {query.service for query in box.traces.queries} == {"orders", ""}
    assert {(query.start, query.end) for query in box.logs.queries} == {(NOW - 360, NOW)}
    assert {query.min_severity for query in box.logs.queries if query.service} == {13, 17}


def _exemplars_fail(box: Box) -> None:
    box.metrics.down = SourceError("Prometheus at http://x: cannot connect")


def _logs_fail(box: Box) -> None:
    box.logs.down = SourceError("refused password=hunter2")


def _traces_fail(box: Box) -> None:
    box.traces.down = SourceError("broken")


def _logs_have_a_bug(box: Box) -> None:
    box.logs.lines.append("no line at all")  # type: ignore[arg-type] - that is the bug


@pytest.mark.parametrize(
    ("spoil", "missing", "traces", "lines"),
    [
        pytest.param(
            _exemplars_fail, "exemplars: Prometheus at http://x: cannot connect", 2, 2, id="exemplars"
        ),
        pytest.param(_logs_fail, "log lines: refused password=***", 2, 0, id="logs"),
        pytest.param(_traces_fail, "traces: broken", 0, 2, id="traces"),
        pytest.param(_logs_have_a_bug, "log lines: AttributeError, see the engine's log", 2, 0, id="bug"),
    ],
)
async def test_a_part_that_fails_is_named_and_the_rest_is_there(
    spoil: Callable[[Box], None], missing: str, traces: int, lines: int
) -> None:
    box = Box()
    spoil(box)
    found = await box.gather()
    assert missing in found.missing
    assert len(found.missing) == 1
    assert (len(found.traces), len(found.logs)) == (traces, lines)


@pytest.mark.parametrize(
    ("late", "missing"),
    [
        pytest.param("metrics", "exemplars: not answered in time", id="exemplars"),
        pytest.param("logs", "log lines: not answered in time", id="logs"),
        pytest.param("traces", "traces: not answered in time", id="traces"),
    ],
)
async def test_a_part_that_is_late_is_left_behind(late: str, missing: str) -> None:
    box = Box()
    getattr(box, late).latency_s = 60.0
    began = time.monotonic()
    found = await box.gather(timeout_s=0.2)
    assert time.monotonic() - began < 5
    assert found.missing == (missing,)
    assert bool(found.logs) == (late != "logs")
    assert bool(found.traces) == (late != "traces")


async def test_without_sources_there_are_links_and_it_is_said() -> None:
    found = await gather(
        notification=page(),
        now=NOW,
        metrics=None,
        logs=None,
        traces=None,
        links=Links(prometheus_url="http://p"),
    )
    assert found.missing == ("traces: no source of traces is set", "log lines: no source of logs is set")
    assert [link.text for link in found.links] == ["Prometheus"]


async def test_without_a_service_the_exemplars_still_lead_somewhere() -> None:
    box = Box()
    found = await box.gather(page(alert(service_name="")))
    assert numbers(found.traces) == [1]
    assert [one.body for one in found.logs] == ["of the trace"]
    assert found.missing == (
        "traces and log lines of the service: no alert names one (service_name, service or job)",
    )


async def test_what_is_found_is_redacted_and_bounded() -> None:
    box = Box(logs=FakeLogSource())
    attributes = LabelSet.of({"password": "plain", "note": "card 4111 1111 1111 1111"})
    box.logs.lines.append(replace(line("token=abc " + "x" * 5_000), attributes=attributes))
    box.traces.add(trace(3, errors=1, took=9, error="Authorization: Bearer abc"))
    found = await box.gather()
    (only,) = found.logs
    assert only.body.startswith("token=*** x")
    assert len(only.body) == LINE_LIMIT
    assert only.attributes == LabelSet.of({"password": "***", "note": "card ***"})
    assert "Authorization: ***" in {one.error for one in found.traces}


async def test_a_gatherer_is_gather_with_its_sources() -> None:
    class StillClock:
        def now(self) -> float:
            return NOW

    box = Box()
    gatherer = Gatherer(
        metrics=box.metrics, logs=box.logs, traces=box.traces, links=Links(), clock=StillClock()
    )
    assert await gatherer(page()) == await box.gather()


@pytest.mark.parametrize(
    ("alerts", "start"),
    [
        pytest.param([alert(starts_at=NOW - 60)], NOW - 360, id="one"),
        pytest.param([alert(starts_at=NOW - 60), alert(starts_at=NOW - 600)], NOW - 900, id="the-first"),
        pytest.param(
            [alert(starts_at=NOW - 60), alert(starts_at=NOW - 600, firing=False)], NOW - 360, id="firing"
        ),
        pytest.param([alert(starts_at=NOW - 900_000)], NOW - 6 * 3600, id="no-further-than-six-hours"),
    ],
)
def test_the_window_begins_before_the_first_alert(alerts: list[NotifiedAlert], start: float) -> None:
    assert window_start(page(*alerts), now=NOW) == start


@pytest.mark.parametrize(
    ("labels", "services"),
    [
        pytest.param(
            [{"service_name": "a"}, {"service_name": "b"}, {"service_name": "a"}], ("a", "b"), id="distinct"
        ),
        pytest.param([{"service_name": "", "service": "s", "job": "x/j"}], ("s",), id="service"),
        pytest.param([{"service_name": "", "job": "shop/orders"}], ("orders",), id="job"),
        pytest.param([{"service_name": str(number)} for number in range(9)], ("0", "1", "2"), id="three"),
        pytest.param([{"service_name": ""}], (), id="none"),
    ],
)
def test_services(labels: list[dict[str, str]], services: tuple[str, ...]) -> None:
    assert services_of(page(*(alert(**one) for one in labels))) == services


@pytest.mark.parametrize(
    ("expr", "asked"),
    [
        pytest.param("up == 0", 'up{service_name="orders"}', id="bare"),
        pytest.param('x_sum{a="b"}', 'x_bucket{a="b",service_name="orders"}', id="sum"),
        pytest.param('x{service_name=~"o.*"}', 'x{service_name=~"o.*"}', id="named-already"),
        pytest.param('{__name__=~"x.*"}', '{__name__=~"x.*",service_name="orders"}', id="nameless"),
        pytest.param("a / b", 'a{service_name="orders"} or b{service_name="orders"}', id="both-sides"),
        pytest.param("a / a", 'a{service_name="orders"}', id="once"),
        pytest.param("vector(1)", "", id="no-selector"),
        pytest.param("not promql (", "", id="not-ours"),
        pytest.param("", "", id="empty"),
    ],
)
def test_where_exemplars_are_looked_for(expr: str, asked: str) -> None:
    assert exemplar_expr([alert(expr=expr)]) == asked


def test_a_service_with_quotes_in_its_name_stays_one_matcher() -> None:
    assert exemplar_expr([alert(expr="up", service_name='a"b')]) == 'up{service_name="a\\"b"}'


def test_exemplars_of_another_service_are_left_out() -> None:
    found = [
        exemplar(1, service_name="orders", le="1"),
        exemplar(2, service_name="payments", le="1"),
        exemplar(3, severity="not the rule's"),
    ]
    assert exemplar_traces(found, [alert()]) == (f"{1:032x}", f"{3:032x}")


def test_of_many_exemplars_the_highest_and_the_newest_count() -> None:
    found = [exemplar(number, value=1_000 - number, at=NOW - 1_000 + number) for number in range(1, 500)]
    ids = exemplar_traces(found, [alert()])
    assert len(ids) == 20
    assert ids[0] == f"{1:032x}"  # the highest
    assert f"{499:032x}" in ids  # the newest


def test_traces_of_the_alerting_series_come_first_then_the_worst() -> None:
    own = [trace(1, took=1), trace(2, took=0.1, errors=1)]
    service = [trace(1, took=1), *(trace(number, took=number, errors=number % 2) for number in (3, 4, 5, 6))]
    assert numbers(chosen_traces(own, service)) == [2, 1, 5, 3, 6]


def test_errors_come_before_warnings_and_a_line_only_once() -> None:
    ours = [line("ours info", severity=9, at=NOW - 1), line("ours error", at=NOW - 9)]
    theirs = [line("same", at=NOW - 2), line("same", at=NOW - 3)]
    theirs += [line(f"error {number}", at=NOW - 20 - number) for number in range(20)]
    theirs += [line(f"warning {number}", severity=13, at=NOW) for number in range(20)]
    found = chosen_lines(ours, theirs)
    assert len(found) == LINES
    assert [one.body for one in found[:3]] == ["same", "ours error", "error 0"]
    assert not [one for one in found if one.severity_number < 17]


class TestLinks:
    links = Links(
        prometheus_url="http://me:hidden@prom.example:9090/p/?token=hidden",
        jaeger_url="https://jaeger.example/ui/",
    )

    def test_the_graph_is_the_expression_at_its_time(self) -> None:
        parts = urlsplit(self.links.graph("up == 0", at=NOW))
        assert f"{parts.scheme}://{parts.netloc}{parts.path}" == "http://prom.example:9090/p/graph"
        asked = parse_qs(parts.query)
        assert asked["g0.expr"] == ["up == 0"]
        assert asked["g0.end_input"] == ["2023-11-14 22:13:20"]

    def test_each_address_once_and_nothing_hidden(self) -> None:
        notification = page(
            alert(),
            alert(instance="2"),
            dashboard_url="https://grafana.example/d/x",
            runbook="http://docs.example/r",
        )
        found = self.links.links(notification, now=NOW, traces=[trace(0xAB)])
        assert [link.text for link in found] == ["Dashboard", "Runbook", "Prometheus", "Trace 00000000"]
        assert found[-1].href == f"https://jaeger.example/ui/trace/{0xAB:032x}"
        assert "hidden" not in str(found)

    @pytest.mark.parametrize("said", ["javascript:alert(1)", "file:///etc/passwd", "see the wiki", ""])
    def test_only_web_addresses_are_links(self, said: str) -> None:
        assert Links().links(page(runbook_url=said, dashboard=said), now=NOW) == ()

    def test_a_path_is_one_of_ours(self) -> None:
        notification = page(runbook_url="/runbooks/errors", external_url="http://engine.example/")
        assert Links().links(notification, now=NOW)[0].href == "http://engine.example/runbooks/errors"

    def test_a_resolved_alerts_graph_ends_with_it(self) -> None:
        ended = replace(alert(firing=False), ends_at=NOW - 3_600)
        (found,) = Links(prometheus_url="http://p").links(page(ended), now=NOW)
        assert "21%3A13%3A20" in found.href

    def test_an_address_that_is_none_costs_its_links_alone(self) -> None:
        notification = page(
            runbook_url="/r", external_url="http://[", dashboard_url="https://grafana.example/d"
        )
        found = Links(prometheus_url="http://[", jaeger_url="http://[").links(
            notification, now=NOW, traces=[trace(1)]
        )
        assert [link.text for link in found] == ["Dashboard"]

    def test_without_addresses_there_are_none(self) -> None:
        assert Links().graph("up", at=NOW) == ""
        assert Links().links(page(), now=NOW, traces=[trace(1)]) == ()
