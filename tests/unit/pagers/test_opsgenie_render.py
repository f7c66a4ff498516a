from dataclasses import replace

import pytest

from shopwatch_engine.model import Action
from shopwatch_engine.pagers.opsgenie import OpsgenieCall, render
from shopwatch_engine.testing.notifications import sample_alert, sample_evidence, sample_notification

PLAIN = sample_notification()


def test_a_trigger_creates() -> None:
    (call,) = render(Action.TRIGGER, PLAIN, {})
    assert call.path == ""
    assert call.body == {
        "message": "orders: 42 % of requests fail",
        "alias": PLAIN.dedup_key,
        "description": (
            "orders: 42 % of requests fail\n"
            "More than 5 % of the requests of the last 5 minutes were answered with a 5xx.\n"
            "Impact: Customers cannot pay.\n"
            "Value: 0.42, since 2027-01-15T08:00:00.000Z\n"
            'Labels: {alertname="HighErrorRate", service_name="orders", '
            'severity="critical", team="checkout"}\n'
            "\n"
            "Dashboard: https://grafana.example/d/shop\n"
            "Runbook: https://runbooks.example/HighErrorRate\n"
            "Prometheus: https://prometheus.example/graph?g0.expr=rate"
        ),
        "priority": "P1",
        "source": "shopwatch",
        "entity": "orders",
        "tags": ["HighErrorRate", "critical", "orders"],
        "details": {
            "Dashboard": "https://grafana.example/d/shop",
            "Runbook": "https://runbooks.example/HighErrorRate",
            "Prometheus": "https://prometheus.example/graph?g0.expr=rate",
            "alertname": "HighErrorRate",
            "service_name": "orders",
            "severity": "critical",
            "team": "checkout",
        },
    }


@pytest.mark.parametrize(
    ("severity", "priority"), [("critical", "P1"), ("error", "P2"), ("warning", "P3"), ("info", "P5")]
)
def test_priority_of_each_severity(severity: str, priority: str) -> None:
    (call,) = render(Action.TRIGGER, sample_notification(sample_alert(severity=severity)), {})
    assert call.body["priority"] == priority


@pytest.mark.parametrize(
    ("action", "paths"),
    [
        (Action.TRIGGER, [""]),
        (Action.UPDATE, ["", "/a%2Fb/details?identifierType=alias"]),
        (Action.EVIDENCE, ["/a%2Fb/details?identifierType=alias"]),
        (Action.RESOLVE, ["/a%2Fb/close?identifierType=alias"]),
    ],
    ids=lambda value: value.value if isinstance(value, Action) else "",
)
def test_calls_of_each_action(action: Action, paths: list[str]) -> None:
    calls = render(action, sample_notification(dedup_key="a/b"), {})
    assert [call.path for call in calls] == paths


def test_only_a_close_is_done_when_the_alert_is_gone() -> None:
    done = {action: [call.done_if_gone for call in render(action, PLAIN, {})] for action in Action}
    assert done == {
        Action.TRIGGER: [False],
        Action.UPDATE: [False, False],
        Action.EVIDENCE: [False],
        Action.RESOLVE: [True],
    }


def test_evidence_is_a_note_for_people_and_details_for_programs() -> None:
    (call,) = render(Action.EVIDENCE, sample_notification(evidence=sample_evidence(traces=1, logs=1)), {})
    assert call.body["note"] == (
        "Evidence gathered at 2027-01-15T08:00:05.000Z\n"
        "\n"
        "Traces:\n"
        "00000000000000000000000000000000 gateway POST /orders, "
        "1.250 s, 12 spans, 1 errors: database is locked\n"
        "\n"
        "Log lines:\n"
        "2027-01-15T08:00:00.000Z ERROR orders: order 0 failed: database is locked"
        "  trace_id=00000000000000000000000000000000\n"
        "\n"
        "Trace in Jaeger: https://jaeger.example/trace/1"
    )
    details = call.body["details"]
    assert isinstance(details, dict)
    assert details["evidence.traces"] == "0" * 32
    assert details["evidence.logs"] == "1 lines, see the note"
    assert details["Trace in Jaeger"] == "https://jaeger.example/trace/1"


def test_a_resolve_tells_how_long_it_took() -> None:
    (call,) = render(Action.RESOLVE, PLAIN, {})
    assert call.body["note"] == "Resolved after 60 s: orders: 42 % of requests fail"


def test_templates_of_the_configuration() -> None:
    templates = {
        "message": "{{ .CommonLabels.alertname }}!",
        "description": "see the runbook",
        "priority": "p4",
        "tags": "a, b ,,a",
        "entity": "{{ .CommonLabels.team }}",
        "source": "our engine",
        "note": "first note",
        "details.team": "{{ .CommonLabels.team }}!",
    }
    (call,) = render(Action.TRIGGER, PLAIN, templates)
    body = call.body
    assert body["message"] == "HighErrorRate!"
    assert body["description"] == "see the runbook"
    assert body["priority"] == "P4"
    assert body["tags"] == ["a", "b"]
    assert (body["entity"], body["source"], body["note"]) == ("checkout", "our engine", "first note")
    assert isinstance(body["details"], dict)
    assert body["details"]["team"] == "checkout!"


@pytest.mark.parametrize("name", ["message", "description", "priority", "tags", "entity", "source", "note"])
@pytest.mark.parametrize("text", ["{{ .Nope", " ", '{{ template "missing" . }}'])
def test_a_bad_template_falls_back_to_the_plain_page(name: str, text: str) -> None:
    assert render(Action.TRIGGER, PLAIN, {name: text}) == render(Action.TRIGGER, PLAIN, {})


def test_a_priority_that_opsgenie_has_not_falls_back() -> None:
    (call,) = render(Action.TRIGGER, PLAIN, {"priority": "urgent"})
    assert call.body["priority"] == "P1"


def test_details_keep_what_matters_when_they_are_too_many() -> None:
    many = {f"label_{number:04d}": "x" * 90 for number in range(500)}
    notification = sample_notification(sample_alert(labels=many), evidence=sample_evidence())
    (call,) = render(Action.EVIDENCE, notification, {})
    details = call.body["details"]
    assert isinstance(details, dict)
    assert {"evidence.traces", "evidence.logs", "Runbook", "Dashboard"} <= set(details)
    assert 7_800 < sum(len(name) + len(value) for name, value in details.items()) <= 8_000


def test_the_calls_without_any_alert() -> None:
    empty = replace(PLAIN, alerts=())
    for action in Action:
        assert all(isinstance(call, OpsgenieCall) for call in render(action, empty, {}))
    (create,) = render(Action.TRIGGER, empty, {})
    assert create.body["message"]
    (evidence,) = render(Action.EVIDENCE, empty, {})
    assert evidence.body["details"]
