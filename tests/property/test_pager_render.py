"""Whatever an alert says, the page that is made of it is never refused by a strict pager."""

import json

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shopwatch_engine.model import (
    Action,
    Evidence,
    LabelSet,
    Link,
    LogLine,
    Notification,
    NotifiedAlert,
    TraceSummary,
)
from shopwatch_engine.pagers import opsgenie, pagerduty
from shopwatch_engine.pagers.fitting import fitted_key
from shopwatch_engine.sandbox import opsgenie as strict_opsgenie
from shopwatch_engine.sandbox import pagerduty as strict_pagerduty

ROUTING_KEY = "0123456789abcdef0123456789abcdef"

# any code point at all, lone surrogates and NUL among them
anything = st.text(st.characters(), max_size=40)
long_text = st.builds(
    lambda piece, times: piece * times,
    st.text(st.characters(), min_size=1, max_size=4),
    st.sampled_from([1, 300, 9_000]),
)
text = st.one_of(
    anything, long_text, st.sampled_from(["", " ", "\x00", "\ud800", "\U0001f525" * 200, "\n\n"])
)
number = st.floats(allow_nan=True, allow_infinity=True)
moment = st.one_of(st.floats(0, 4e9), number)
names = st.sampled_from(
    [
        "alertname",
        "severity",
        "service_name",
        "job",
        "team",
        "summary",
        "description",
        "impact",
        "runbook_url",
    ]
)
labels = st.dictionaries(st.one_of(names, anything), text, max_size=6).map(LabelSet.of)
crowd = st.sampled_from([200, 5_000]).map(
    lambda count: LabelSet.of({f"l{n}": f"value {n}" for n in range(count)})
)
alerts = st.builds(
    NotifiedAlert,
    labels=st.one_of(labels, crowd),
    annotations=labels,
    firing=st.booleans(),
    value=number,
    starts_at=moment,
    generator_url=st.one_of(text, st.just("https://p.example/")),
)
traces = st.builds(
    TraceSummary,
    trace_id=text,
    service=text,
    name=text,
    started_at=moment,
    duration_s=number,
    spans=st.integers(0, 10**6),
    errors=st.integers(0, 10**6),
    error=text,
)
logs = st.builds(
    LogLine,
    at=moment,
    service=text,
    severity_text=text,
    severity_number=st.just(17),
    body=text,
    trace_id=text,
)
evidence = st.builds(
    Evidence,
    gathered_at=moment,
    traces=st.lists(traces, max_size=3).map(tuple),
    logs=st.lists(logs, max_size=3).map(tuple),
    links=st.lists(st.builds(Link, text=text, href=text), max_size=3).map(tuple),
    missing=st.lists(text, max_size=2).map(tuple),
)
notifications = st.builds(
    Notification,
    dedup_key=text,
    receiver=text,
    group_labels=labels,
    alerts=st.one_of(st.lists(alerts, max_size=3).map(tuple), alerts.map(lambda alert: (alert,) * 1_000)),
    opened_at=moment,
    at=moment,
    external_url=text,
    evidence=st.none() | evidence,
)
templates = st.dictionaries(
    st.sampled_from(
        [
            "description",
            "severity",
            "source",
            "class",
            "message",
            "tags",
            "priority",
            "entity",
            "note",
            "details.a",
        ]
    ),
    text,
    max_size=4,
)
thorough = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


@thorough
@given(action=st.sampled_from(Action), notification=notifications, templates=templates)
def test_pagerduty_never_refuses(
    action: Action, notification: Notification, templates: dict[str, str]
) -> None:
    event = pagerduty.render(action, notification, templates)
    body = json.dumps({**event, "routing_key": ROUTING_KEY}, allow_nan=False).encode()
    taken = strict_pagerduty.parse(body, new_key="none was given")
    assert isinstance(taken, strict_pagerduty.Event), taken
    assert taken.dedup_key == fitted_key(notification.dedup_key, 255)


@thorough
@given(action=st.sampled_from(Action), notification=notifications, templates=templates)
def test_opsgenie_never_refuses(
    action: Action, notification: Notification, templates: dict[str, str]
) -> None:
    for call in opsgenie.render(action, notification, templates):
        body = json.dumps(call.body, allow_nan=False).encode()
        if call.path:
            verb = call.path.split("/")[2].partition("?")[0]
            taken = strict_opsgenie.parse_action(verb, "alias", body)
        else:
            taken = strict_opsgenie.parse_create(body, new_alias="none was given")
            assert isinstance(taken, strict_opsgenie.Command), taken
            assert taken.alias == fitted_key(notification.dedup_key, 512)
        assert isinstance(taken, strict_opsgenie.Command), taken


@given(one=text, other=text)
def test_two_keys_never_become_one(one: str, other: str) -> None:
    assert (fitted_key(one, 255) == fitted_key(other, 255)) == (one == other)
