"""Samples become observations: labels over labels, templates, and what two series in one mean."""

from __future__ import annotations

import math

import pytest

from alert_values import labels, rule, sample
from shopwatch_engine.core.observe import observe
from shopwatch_engine.exceptions import SourceError
from shopwatch_engine.model import LabelSet

SERIES = {"__name__": "errors_total", "service": "orders", "severity": "info"}


def test_rule_labels_lie_over_the_series_and_the_name_over_both() -> None:
    one = rule(labels=labels(severity="critical", alertname="Other", owner="shop"))
    (found,) = observe(one, [sample(0.5, **SERIES, alertname="Series")])
    assert found.labels == labels(
        alertname="HighErrorRate", service="orders", severity="critical", owner="shop"
    )
    assert found.value == 0.5


def test_labels_and_annotations_are_templates_of_the_series() -> None:
    one = rule(
        labels=labels(scope="{{ $labels.service }}-{{ $labels.severity }}", severity="critical"),
        annotations=labels(
            summary="{{ $labels.service }}: {{ $value | humanizePercentage }}",
            link="{{ externalURL }}/x",
            metric="{{ $labels.__name__ }}",
            nothing="{{ $labels.nothing }}",
        ),
    )
    (found,) = observe(one, [sample(0.25, **SERIES)], external_url="https://watch.example")
    assert found.labels.get("scope") == "orders-info"
    assert found.annotations == labels(
        summary="orders: 25%", link="https://watch.example/x", metric="errors_total"
    )


def test_a_label_that_renders_to_nothing_is_no_label() -> None:
    (found,) = observe(rule(labels=labels(service="{{ $labels.none }}")), [sample(**SERIES)])
    assert "service" not in found.labels.as_dict()


def test_a_template_that_fails_falls_back_to_its_text_with_the_mistake() -> None:
    bad = '{{ template "nowhere" . }}'
    one = rule(labels=labels(owner=bad), annotations=labels(summary=bad, impact="plain"))
    (found,) = observe(one, [sample(**SERIES)])
    for text in (found.annotations.get("summary"), found.labels.get("owner")):
        assert text.startswith(f"{bad} (template error: ")
    assert found.annotations.get("impact") == "plain"


def test_a_failing_label_names_the_same_alert_each_time() -> None:
    one = rule(labels=labels(owner="{{ $value | nothing }}"))
    (first,), (second,) = observe(one, [sample(1.0)]), observe(one, [sample(2.0)])
    assert first.labels == second.labels


@pytest.mark.parametrize(
    "samples",
    [
        [sample(1.0, service="a", __name__="errors"), sample(2.0, service="a", __name__="faults")],
        [sample(1.0, severity="info"), sample(2.0, severity="error")],
    ],
    ids=["only the name differs", "only an overwritten label differs"],
)
def test_two_series_with_the_same_labels_are_an_error_of_the_rule(samples: list[object]) -> None:
    one = rule(labels=labels(severity="critical"))
    with pytest.raises(
        SourceError, match=r"'HighErrorRate' yields two series.*severity=\"critical\""
    ) as said:
        observe(one, samples)  # type: ignore[arg-type]
    assert said.value.culprit


def test_values_that_are_no_numbers_pass() -> None:
    found = observe(rule(), [sample(math.nan, zone="a"), sample(math.inf, zone="b")])
    assert [str(one.value) for one in found] == ["nan", "inf"]


def test_no_samples_no_observations() -> None:
    assert observe(rule(), []) == ()


def test_texts_of_any_kind_pass() -> None:
    strange = LabelSet.of({"path": 'a"\n\\\0', "half": "\ud800", "emoji": "🛒"})
    one = rule(annotations=labels(summary="{{ $labels.path }} {{ $labels.emoji }}"))
    (found,) = observe(one, [sample(1.0, **strange.as_dict())])
    assert found.annotations.get("summary") == 'a"\n\\\0 🛒'
    assert found.labels.get("half") == "\ud800"
