import json
from dataclasses import replace

import pytest

from shopwatch_engine.model import Action, Evidence, LabelSet, Link, LogLine, Notification
from shopwatch_engine.pagers.pagerduty import EVENT_LIMIT, Json, render
from shopwatch_engine.testing.notifications import sample_alert, sample_evidence, sample_notification

PLAIN = sample_notification()


def details_of(notification: Notification, templates: dict[str, str] | None = None) -> Json:
    details = render(Action.TRIGGER, notification, templates or {})["payload"]["custom_details"]
    assert isinstance(details, dict)
    return details


def test_a_trigger_says_what_broke_how_badly_and_since_when() -> None:
    event = render(Action.TRIGGER, PLAIN, {})
    payload = event.pop("payload")
    details = payload.pop("custom_details")
    assert event == {
        "event_action": "trigger",
        "dedup_key": PLAIN.dedup_key,
        "client": "shopwatch",
        "client_url": "https://shopwatch.example",
        "links": [
            {"href": "https://grafana.example/d/shop", "text": "Dashboard"},
            {"href": "https://runbooks.example/HighErrorRate", "text": "Runbook"},
            {"href": "https://prometheus.example/graph?g0.expr=rate", "text": "Prometheus"},
        ],
    }
    assert payload == {
        "summary": "orders: 42 % of requests fail",
        "severity": "critical",
        "source": "orders",
        "component": "orders",
        "group": "checkout",
        "class": "HighErrorRate",
        "timestamp": "2027-01-15T08:00:00.000Z",
    }
    assert details == {
        "firing": [
            {
                "name": "HighErrorRate",
                "summary": "orders: 42 % of requests fail",
                "description": PLAIN.alerts[0].annotations.get("description"),
                "impact": "Customers cannot pay.",
                "value": 0.42,
                "since": "2027-01-15T08:00:00.000Z",
                "labels": {"severity": "critical", "service_name": "orders", "team": "checkout"},
            }
        ],
        "num_firing": 1,
        "num_resolved": 0,
        "runbook": "https://runbooks.example/HighErrorRate",
        "dashboard": "https://grafana.example/d/shop",
    }


def test_a_resolve_is_its_key_and_nothing_that_could_be_refused() -> None:
    assert render(Action.RESOLVE, PLAIN, {}) == {"event_action": "resolve", "dedup_key": PLAIN.dedup_key}


@pytest.mark.parametrize("action", [Action.TRIGGER, Action.UPDATE, Action.EVIDENCE])
def test_updates_and_evidence_are_triggers_with_the_same_key(action: Action) -> None:
    event = render(action, PLAIN, {})
    assert (event["event_action"], event["dedup_key"]) == ("trigger", PLAIN.dedup_key)


def test_evidence_has_traces_logs_links_and_what_is_missing() -> None:
    found = replace(sample_evidence(traces=1, logs=1), missing=("exemplars: Prometheus answered 404",))
    notification = sample_notification(evidence=found)
    assert details_of(notification)["evidence"] == {
        "gathered_at": "2027-01-15T08:00:05.000Z",
        "traces": [
            {
                "trace_id": "0" * 32,
                "service": "gateway",
                "name": "POST /orders",
                "at": "2027-01-15T08:00:00.000Z",
                "duration_s": 1.25,
                "spans": 12,
                "errors": 1,
                "error": "database is locked",
            }
        ],
        "logs": [
            {
                "at": "2027-01-15T08:00:00.000Z",
                "service": "orders",
                "severity": "ERROR",
                "body": "order 0 failed: database is locked",
                "trace_id": "0" * 32,
            }
        ],
        "missing": ["exemplars: Prometheus answered 404"],
    }
    assert {"href": "https://jaeger.example/trace/1", "text": "Trace in Jaeger"} in render(
        Action.EVIDENCE, notification, {}
    )["links"]


@pytest.mark.parametrize(
    ("labels", "source"),
    [
        ({"service_name": "orders", "instance": "a:1"}, "orders"),
        ({"service_name": "", "service": "pay"}, "pay"),
        ({"service_name": "", "instance": "a:1", "job": "shop"}, "a:1"),
        ({"service_name": "", "job": "shop"}, "shop"),
        ({"service_name": ""}, "on-call"),
    ],
    ids=["service_name", "service", "instance", "job", "receiver"],
)
def test_the_source_is_the_best_name_there_is(labels: dict[str, str], source: str) -> None:
    event = render(Action.TRIGGER, sample_notification(sample_alert(labels=labels)), {})
    assert event["payload"]["source"] == source


def test_templates_of_the_configuration() -> None:
    templates = {
        "description": "{{ .CommonLabels.alertname }} at {{ .CommonLabels.service_name }}",
        "severity": '{{ if eq .Status "firing" }}warning{{ end }}',
        "component": "{{ .CommonLabels.team }}",
        "client": "our engine",
        "client_url": "https://ops.example/",
        "details.team": "{{ .CommonLabels.team }}",
    }
    event = render(Action.TRIGGER, PLAIN, templates)
    assert event["payload"]["summary"] == "HighErrorRate at orders"
    assert event["payload"]["severity"] == "warning"
    assert event["payload"]["component"] == "checkout"
    assert event["payload"]["custom_details"]["team"] == "checkout"
    assert (event["client"], event["client_url"]) == ("our engine", "https://ops.example/")


@pytest.mark.parametrize("name", ["description", "severity", "source", "class", "client", "client_url"])
@pytest.mark.parametrize("text", ["{{ .Nope", '{{ template "missing" . }}', "  ", "{{ .CommonLabels.no }}"])
def test_a_bad_template_falls_back_to_the_plain_page(name: str, text: str) -> None:
    assert render(Action.TRIGGER, PLAIN, {name: text}) == render(Action.TRIGGER, PLAIN, {})


def test_a_severity_that_pagerduty_has_not_falls_back() -> None:
    assert render(Action.TRIGGER, PLAIN, {"severity": "P1"})["payload"]["severity"] == "critical"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_value_that_json_cannot_say_becomes_a_word(value: float) -> None:
    told = details_of(sample_notification(sample_alert(value=value)))["firing"][0]["value"]
    assert told == str(value)


def test_without_any_alert_there_is_still_a_page() -> None:
    empty = replace(PLAIN, alerts=(), group_labels=LabelSet())
    payload = render(Action.TRIGGER, empty, {})["payload"]
    assert payload["summary"]
    assert payload["source"] == "on-call"


def test_links_that_lead_nowhere_safe_are_left_out() -> None:
    evidence = Evidence(gathered_at=0, links=(Link(text="x", href="javascript:alert(1)"),))
    alert = sample_alert(annotations={"runbook_url": "see the wiki", "dashboard_url": ""})
    links = render(Action.EVIDENCE, sample_notification(alert, evidence=evidence), {})["links"]
    assert [link["text"] for link in links] == ["Prometheus"]


def big_logs(count: int) -> Evidence:
    lines = tuple(
        LogLine(at=0, service="s", severity_text="ERROR", severity_number=17, body="é" * 2000)
        for _ in range(count)
    )
    return replace(sample_evidence(traces=2), logs=lines)


@pytest.mark.parametrize(
    ("notification", "left_out"),
    [
        (sample_notification(evidence=big_logs(10)), None),
        (sample_notification(evidence=big_logs(60)), "log lines"),
        (sample_notification(evidence=replace(sample_evidence(traces=3000), logs=())), "log lines, traces"),
        (
            sample_notification(*(sample_alert(f"A{number}") for number in range(501))),
            "all alerts but 500",
        ),
        (
            sample_notification(*(sample_alert("A" * 900 + str(number)) for number in range(500))),
            "log lines, traces, labels and annotations",
        ),
        (
            sample_notification(*(sample_alert("A" * 1500 + str(number)) for number in range(500))),
            "log lines, traces, labels and annotations, all alerts but 20",
        ),
    ],
    ids=["fits", "logs", "traces", "count", "labels", "alerts"],
)
def test_the_whole_event_fits_and_says_what_was_left_out(
    notification: Notification, left_out: str | None
) -> None:
    event = render(Action.EVIDENCE, notification, {})
    details = event["payload"]["custom_details"]
    assert len(json.dumps(event)) <= EVENT_LIMIT
    assert details.get("left_out") == left_out
    assert details["num_firing"] == len(notification.alerts)
    assert event["payload"]["summary"]


def test_when_nothing_else_helps_the_counts_remain() -> None:
    templates = {f"details.{number}": "é" * 2000 for number in range(60)}
    event = render(Action.TRIGGER, PLAIN, templates)
    assert event["payload"]["custom_details"] == {
        "num_firing": 1,
        "num_resolved": 0,
        "runbook": "https://runbooks.example/HighErrorRate",
        "dashboard": "https://grafana.example/d/shop",
        "left_out": "everything but the counts",
    }
    assert event["payload"]["summary"] == PLAIN.title
