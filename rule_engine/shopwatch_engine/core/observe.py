"""Samples become observations: the rule's labels and annotations are rendered for each."""

from __future__ import annotations

from collections.abc import Iterable

from shopwatch_engine.core.state import Observation
from shopwatch_engine.exceptions import SourceError, TemplateError
from shopwatch_engine.model import AlertRule, LabelSet, Sample
from shopwatch_engine.templates import expand


def observe(rule: AlertRule, samples: Iterable[Sample], *, external_url: str = "") -> tuple[Observation, ...]:
    """What a rule's answer says: final labels (rule's over series', ``alertname``), annotations, value.

    Raises:
        SourceError: two series end in the same labels, as Prometheus' ruler refuses too.
    """
    seen: dict[LabelSet, Observation] = {}
    for sample in samples:
        observation = _observation(rule, sample, external_url)
        if observation.labels in seen:
            raise SourceError(
                f"rule {rule.name!r} yields two series with the labels {observation.labels}; "
                "aggregate them or keep a label that tells them apart",
                culprit=True,
            )
        seen[observation.labels] = observation
    return tuple(seen.values())


def _observation(rule: AlertRule, sample: Sample, external_url: str) -> Observation:
    bare = sample.labels.without("__name__")
    told, value = sample.labels, sample.value  # as in Prometheus, a template may say the metric's name
    rendered = {name: _render(text, told, value, external_url) for name, text in rule.labels}
    labels = LabelSet.of({**bare.as_dict(), **rendered, "alertname": rule.name})
    annotations = {name: _render(text, told, value, external_url) for name, text in rule.annotations}
    return Observation(labels=labels, annotations=LabelSet.of(annotations), value=value)


def _render(text: str, labels: LabelSet, value: float, external_url: str) -> str:
    """The text rendered, or the text itself with the mistake named: a bad template never drops a page."""
    try:
        return expand(text, labels=labels, value=value, external_url=external_url)
    except TemplateError as error:
        return f"{text} (template error: {error})"
