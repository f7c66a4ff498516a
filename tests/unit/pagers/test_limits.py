"""Text that is far too long is cut exactly to each documented limit, and the strict pagers take it."""

import json

import pytest

from shopwatch_engine.model import Action, Notification
from shopwatch_engine.pagers import opsgenie, pagerduty
from shopwatch_engine.pagers.fitting import width
from shopwatch_engine.pagers.opsgenie_text import details_of
from shopwatch_engine.sandbox import opsgenie as strict_opsgenie
from shopwatch_engine.sandbox import pagerduty as strict_pagerduty
from shopwatch_engine.testing.notifications import sample_alert, sample_evidence, sample_notification

LONG = ["x" * 60_000, "\U0001f525" * 60_000, "é\n" * 60_000]


def long_page(text: str, *, alerts: int = 20) -> Notification:
    labels = {f"l{number}": text for number in range(20)}
    alert = sample_alert(text, service=text, labels=labels, annotations=dict.fromkeys(("summary", "x"), text))
    return sample_notification(
        *[alert] * alerts, dedup_key=text, receiver=text, evidence=sample_evidence(logs=400)
    )


@pytest.mark.parametrize("text", LONG, ids=["ascii", "pairs", "lines"])
def test_pagerduty(text: str) -> None:
    event = pagerduty.render(Action.EVIDENCE, long_page(text), {})
    body = json.dumps({**event, "routing_key": "k" * 32}).encode()
    assert isinstance(strict_pagerduty.parse(body, new_key=""), strict_pagerduty.Event)
    assert width(event["payload"]["summary"]) in (1023, 1024)
    assert width(event["dedup_key"]) in (254, 255)


@pytest.mark.parametrize("text", LONG, ids=["ascii", "pairs", "lines"])
def test_opsgenie(text: str) -> None:
    (create,) = opsgenie.render(
        Action.TRIGGER, long_page(text), {"tags": ",".join("abcdefghijklmnopqrstuvwxyz")}
    )
    taken = strict_opsgenie.parse_create(json.dumps(create.body).encode(), new_alias="")
    assert isinstance(taken, strict_opsgenie.Command), taken
    assert width(str(create.body["message"])) in (129, 130)
    assert width(str(create.body["alias"])) in (511, 512)
    assert width(str(create.body["description"])) in (14_999, 15_000)
    assert width(str(create.body["entity"])) in (511, 512)
    assert create.body["tags"] == list("abcdefghijklmnopqrst")
    (details,) = opsgenie.render(Action.EVIDENCE, long_page(text), {})
    taken = strict_opsgenie.parse_action("details", "k", json.dumps(details.body).encode())
    assert isinstance(taken, strict_opsgenie.Command), taken
    assert width(str(details.body["note"])) in (24_999, 25_000)


@pytest.mark.parametrize(
    ("last", "kept"), [({}, "abcdefgh"), ({"i": ""}, "abcdefgh"), ({"h": "x" * 998, "i": ""}, "abcdefghi")]
)
def test_opsgenies_details_are_8000_in_all(last: dict[str, str], kept: str) -> None:
    eight = dict.fromkeys("abcdefgh", "x" * 999)  # with its name, each is 1,000 long
    details = details_of(sample_notification(), {**eight, **last})
    assert "".join(details) == kept
    assert sum(len(name) + len(value) for name, value in details.items()) == 8_000


def test_opsgenies_tags_are_at_most_50_long() -> None:
    (create,) = opsgenie.render(Action.TRIGGER, sample_notification(), {"tags": "x" * 51})
    assert create.body["tags"] == ["x" * 49 + "…"]
