"""Whatever stands in a template, it renders or raises TemplateError, and says so in few words."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from shopwatch_engine.exceptions import TemplateError
from shopwatch_engine.model import LabelSet, Notification, NotifiedAlert
from shopwatch_engine.templates import (
    check_notification_template,
    check_template,
    expand,
    expand_notification,
)

WORDS = (
    "$labels", "$labels.service", "$value", ".", ".Labels", ".Alerts", ".Alerts.Firing",
    ".GroupLabels.SortedPairs", ".CommonLabels", "$x", "$x :=", "=", "|", "(", ")", '"text"', '"("',
    "`raw`", "'c'", "1", "-1", "1.5", "0x1F", "3i", "nil", "true", "if", "else", "end", "range", "with",
    "define", "template", "block", "break", "continue", '"name"', "printf", '"%s %d %v %q %x %*d"',
    "print", "println", "len", "index", "slice", "and", "or", "not", "eq", "lt", "gt", "html", "js",
    "urlquery", "call", "humanize", "humanize1024", "humanizeDuration", "humanizePercentage",
    "humanizeTimestamp", "title", "toUpper", "toLower", "match", "reReplaceAll", "stripPort",
    "stripDomain", "join", "trimSpace", "stringSlice", "args", "query", "first", "value", "externalURL",
    "-", "/* c */", ",", "$", "999999999",
)  # fmt: skip
ACTIONS = st.lists(st.sampled_from(WORDS), max_size=6).map(lambda words: "{{ " + " ".join(words) + " }}")
TEMPLATES = st.lists(ACTIONS | st.text(max_size=5), max_size=5).map("".join) | st.text(max_size=20).map(
    "{{ {} }}".format
)
VALUES = st.floats() | st.sampled_from((0.0, 1.5, 1e21))
LABELS = st.dictionaries(
    st.sampled_from(("service", "alertname", "a b", "__class__")), st.text(max_size=8)
).map(LabelSet.of)


@settings(max_examples=400, deadline=5000)
@given(TEMPLATES, LABELS, VALUES)
def test_rules(text: str, labels: LabelSet, value: float) -> None:
    try:
        check_template(text)
        assert isinstance(expand(text, labels=labels, value=value), str)
    except TemplateError as error:
        assert 0 < len(str(error)) < 1500  # noqa: PT017 - either way is right


@settings(max_examples=400, deadline=5000)
@given(TEMPLATES, st.lists(LABELS, max_size=3))
def test_notifications(text: str, several: list[LabelSet]) -> None:
    alerts = tuple(
        NotifiedAlert(labels=labels, annotations=labels, firing=True, value=1.0, starts_at=1.0)
        for labels in several
    )
    notification = Notification(
        dedup_key="k", receiver="r", group_labels=LabelSet(), alerts=alerts, opened_at=1.0, at=2.0
    )
    try:
        check_notification_template(text)
        assert isinstance(expand_notification(text, notification), str)
    except TemplateError as error:
        assert 0 < len(str(error)) < 1500  # noqa: PT017 - either way is right
