"""What the comparison with promtool cannot show: bounds, the sandbox, errors, notifications."""

from __future__ import annotations

import time

import pytest

from shopwatch_engine.exceptions import TemplateError
from shopwatch_engine.model import LabelSet, Notification, NotifiedAlert
from shopwatch_engine.templates import (
    check_notification_template,
    check_template,
    expand,
    expand_notification,
    functions_not_evaluated,
)

LABELS = LabelSet.of({"service": "orders", "instance": "shop-1:80"})


def rule(text: str, value: float = 1.5, url: str = "http://prometheus.example/base") -> str:
    return expand(text, labels=LABELS, value=value, external_url=url)


def alert(*, firing: bool = True, **labels: str) -> NotifiedAlert:
    return NotifiedAlert(
        labels=LabelSet.of({"alertname": "Slow", "service": "orders", **labels}),
        annotations=LabelSet.of({"summary": "orders are slow"}),
        firing=firing,
        value=1.0,
        starts_at=1_700_000_000.25,
        ends_at=None if firing else 1_700_000_060.0,
        generator_url="http://prometheus.example/graph",
    )


NOTIFICATION = Notification(
    dedup_key="k",
    receiver="on-call",
    group_labels=LabelSet.of({"alertname": "Slow"}),
    alerts=(alert(pod="a"), alert(pod="b", firing=False)),
    opened_at=1_700_000_000.0,
    at=1_700_000_100.0,
    external_url="http://shopwatch.example",
)


def test_addresses() -> None:
    assert rule("{{ externalURL }}|{{ pathPrefix }}") == "http://prometheus.example/base|/base"
    assert rule("{{ externalURL }}", url="http://other.example") == "http://other.example"


def test_a_text_without_a_template_is_itself() -> None:
    text = "no } template { here $labels " * 10
    assert expand(text, labels=LABELS, value=0.0) is text
    assert expand_notification(text, NOTIFICATION) is text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{{ $labels.service", "'{{ $labels.service': line 1, column 1: unclosed action"),
        ("{{ $nope }}", "line 1, column 4: undefined variable '$nope'"),
        ("one\n{{ $nope }}", "line 2, column 4: undefined variable '$nope'"),
        ("{{ nope }}", "function 'nope' not defined"),
        ("{{ .Nope }}", "there is no field .Nope here: expected one of ExternalLabels"),
        ("x" * 200 + "{{ nope }}", "x…': line 1"),
        ('{{ query "up" }}', "Prometheus has the function query, this engine does not evaluate it yet"),
        ('{{ humanize "abc" }}', "can't read 'abc' as a number"),
        ("{{ humanizeTimestamp 1e300 }}", "64 bits"),
    ],
)
def test_errors_say_where_and_why(text: str, said: str) -> None:
    with pytest.raises(TemplateError) as caught:
        rule(text)
    assert said in str(caught.value)
    assert len(str(caught.value)) < 250


DOUBLING = "".join(
    f'{{{{ define "{n}" }}}}{{{{ template "{n + 1}" }}}}{{{{ template "{n + 1}" }}}}{{{{ end }}}}'
    for n in range(30)
)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("{{ range 1000000000 }}{{ end }}", id="a long loop"),
        pytest.param("{{ range 9999 }}{{ range 9999 }}{{ end }}{{ end }}", id="loops in loops"),
        pytest.param(
            "{{ range 9999 }}" + "{{ if $labels.nope }}{{ end }}" * 1500 + "{{ end }}", id="a long body"
        ),
        pytest.param("{{ range 9999 }}{{ $labels.service }}{{ end }}" * 9, id="much output"),
        pytest.param(
            '{{ $x := "ab" }}{{ range 60 }}{{ $x = printf "%s%s" $x $x }}{{ end }}', id="printf doubles"
        ),
        pytest.param('{{ $x := "ab" }}{{ range 60 }}{{ $x = print $x $x }}{{ end }}', id="print doubles"),
        pytest.param('{{ $x := "<>" }}{{ range 60 }}{{ $x = html $x $x }}{{ end }}', id="html doubles"),
        pytest.param(
            '{{ $x := "ab" }}{{ range 60 }}{{ $x = reReplaceAll "." "$0$0" $x }}{{ end }}',
            id="replacing doubles",
        ),
        pytest.param("{{ range 9999 }}{{ $x := toUpper `" + "a" * 50_000 + "` }}{{ end }}", id="much work"),
        pytest.param('{{ printf "%999999999d" 1 }}', id="width"),
        pytest.param('{{ printf "%.999999999f" 1.0 }}', id="precision"),
        pytest.param('{{ printf "%*d" 999999999 1 }}', id="width as an argument"),
        pytest.param(
            '{{ printf "' + "%[1]s" * 5000 + '" (printf "%1000s" "x") }}', id="an argument many times"
        ),
        pytest.param('{{ define "a" }}{{ template "a" }}{{ end }}{{ template "a" }}', id="recursion"),
        pytest.param(
            "{{ define `a` }}{{ template `b` }}{{ end }}{{ define `b` }}{{ template `a` }}{{ end }}"
            "{{ template `a` }}",
            id="mutual recursion",
        ),
        pytest.param(DOUBLING + '{{ define "30" }}{{ end }}{{ template "0" }}', id="calls that double"),
        pytest.param("{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}", id="nesting"),
        pytest.param("{{ if 1 }}" * 500 + "{{ end }}" * 500, id="nested ifs"),
        pytest.param("{{ 1 }}" + "x" * 70_000, id="a long text"),
        pytest.param(
            "{{ range 9999 }}{{ match `(a*)*b` `" + "a" * 5000 + "` }}{{ end }}",
            id="slow regexp",
        ),
    ],
)
def test_a_hostile_template_ends_soon_with_an_error(text: str) -> None:
    started = time.process_time()
    with pytest.raises(TemplateError):
        rule(text)
    assert time.process_time() - started < 5


@pytest.mark.parametrize(
    "text",
    [
        "{{ $value.real }}",
        "{{ $value.__class__ }}",
        "{{ $labels.service.upper }}",
        '{{ (printf "{0.__class__}").format $value }}',
        "{{ .__class__ }}",
        "{{ .items }}",
        "{{ call $labels.get }}",
        "{{ ($labels.service).__class__.__mro__ }}",
        "{{ (index $labels `service`).join }}",
        "{{ $value.hex }}",
    ],
)
def test_nothing_of_python_can_be_reached(text: str) -> None:
    with pytest.raises(TemplateError):
        rule(text)


@pytest.mark.parametrize("name", ["__class__", "items", "get", "__gotemplate_lookup__", "__missing__", "pop"])
def test_a_label_of_any_name_is_only_a_label(name: str) -> None:
    assert rule(f"[{{{{ $labels.{name} }}}}]") == "[]"
    assert expand(f"{{{{ $labels.{name} }}}}", labels=LabelSet.of({name: "x"}), value=0.0) == "x"


def test_functions_that_need_a_query_parse() -> None:
    text = '{{ with query "up" }}{{ . | first | value }}{{ end }}{{ $labels.label }}{{ "now" }}'
    check_template(text)
    assert functions_not_evaluated(text) == {"query", "first", "value"}
    assert functions_not_evaluated("query value") == frozenset()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{ .Status }} {{ .Receiver }} {{ .ExternalURL }}", "firing on-call http://shopwatch.example"),
        (
            "{{ .Status | toUpper }} {{ len .Alerts }} {{ len .Alerts.Firing }} {{ .Alerts.Resolved | len }}",
            "FIRING 2 1 1",
        ),
        (
            "{{ .GroupLabels.alertname }} {{ .CommonLabels.service }} [{{ .CommonLabels.pod }}]",
            "Slow orders []",
        ),
        ("{{ .CommonAnnotations.summary }}", "orders are slow"),
        ("{{ range .Alerts }}{{ .Labels.pod }}:{{ .Status }} {{ end }}", "a:firing b:resolved "),
        ("{{ (index .Alerts 0).Annotations.summary }}", "orders are slow"),
        ('{{ .CommonLabels.SortedPairs.Names | join "," }}', "alertname,service"),
        (
            '{{ .CommonLabels.Values | join "," }}|{{ .CommonLabels.Names | join "," }}',
            "Slow,orders|alertname,service",
        ),
        (
            "{{ range .CommonLabels.SortedPairs }}{{ .Name }}={{ .Value }};{{ end }}",
            "alertname=Slow;service=orders;",
        ),
        ('{{ (.CommonLabels.Remove (stringSlice "alertname")).SortedPairs.Values | join "," }}', "orders"),
        ("{{ .CommonLabels.Remove .GroupLabels.Names }}", "map[service:orders]"),
        ("{{ with .CommonLabels.nope }}x{{ else }}y{{ end }}{{ if .GroupLabels }}z{{ end }}", "yz"),
        ("{{ (index .Alerts 0).StartsAt }}", "2023-11-14 22:13:20.25 +0000 UTC"),
        (
            '{{ (index .Alerts 0).StartsAt.Format "Mon Jan _2 15:04:05 2006 Z07:00" }}',
            "Tue Nov 14 22:13:20 2023 Z",
        ),
        ("{{ (index .Alerts 0).StartsAt.UTC.Unix }}", "1700000000"),
        ("{{ (index .Alerts 0).EndsAt }}", "0001-01-01 00:00:00 +0000 UTC"),
        ("{{ (index .Alerts 1).EndsAt }}", "2023-11-14 22:14:20 +0000 UTC"),
        (
            "{{ len (index .Alerts 0).Fingerprint }} {{ (index .Alerts 0).GeneratorURL }}",
            "16 http://prometheus.example/graph",
        ),
        ('{{ title "hELLO don\'t" }} {{ trimSpace " x " }} {{ toLower "X" }}', "Hello Don't x x"),
        ('{{ match "^Sl" .CommonLabels.alertname }} {{ reReplaceAll "o(r)" "$1" "orders" }}', "true rders"),
        ('{{ template "pagerduty.default.description" . }}', "[FIRING:1] Slow (orders)"),
        ('{{ template "opsgenie.default.source" . }}', "http://shopwatch.example"),
        (
            '{{ template "pagerduty.default.instances" .Alerts.Firing }}',
            (
                "Labels:\n - alertname = Slow\n - pod = a\n"
                " - service = orders\nAnnotations:\n - summary = orders are slow\nSource: http://prometheus.example/graph\n"
            ),
        ),
    ],
)
def test_notifications(text: str, expected: str) -> None:
    check_notification_template(text)
    assert expand_notification(text, NOTIFICATION) == expected


@pytest.mark.parametrize(
    "text",
    [
        "{{ .Alerts.Nope }}",
        "{{ .Labels }}",
        "{{ (index .Alerts 0).StartsAt.Nope }}",
        "{{ .CommonLabels.Remove 3 }}",
        "{{ (index .Alerts 9).Status }}",
        '{{ join "," 3 }}',
        '{{ template "nope" . }}',
        "{{ .Alerts.count }}",
    ],
)
def test_notifications_that_fail(text: str) -> None:
    check_notification_template(text)
    with pytest.raises(TemplateError):
        expand_notification(text, NOTIFICATION)


@pytest.mark.parametrize("text", ["{{ $labels.x }}", "{{ humanize 1 }}", "{{ .Status", "{{ if }}"])
def test_notifications_know_no_functions_of_rules(text: str) -> None:
    with pytest.raises(TemplateError):
        check_notification_template(text)
