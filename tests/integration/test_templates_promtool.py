"""Our templates beside those of the real promtool: same text in, same text out, or both refuse."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml

from shopwatch_engine.exceptions import TemplateError
from shopwatch_engine.model import LabelSet
from shopwatch_engine.servers import FoundServer
from shopwatch_engine.templates import check_template, expand

LABELS = LabelSet.of(
    {
        "service": "orders",
        "instance": "shop-1.example.com:8080",
        "pod": "orders-6d5f9c-x2x7k",
        "msg": 'a "quoted" <b>text</b> & more',
        # none with a digit or an apostrophe: Prometheus 2's `title` says "3rd X'Y", Prometheus 3's "3Rd X'y"
        "words": "grün straße foo_bar baz-qux",
    }
)

VALUES = (
    0.0, 1.0, -1.5, 0.1, 0.000012345, 59.94, 61.5, 3661.25, 90061.0, -90061.5, 999.96, 1023.0, 1024.0,
    1234567.0, 123456789.0, 1e15, 1e20, 1e21, 1.7e9, 1700000000.123, 0.99999, 1e-7, 5e-324, 1e100,
    float("nan"), float("inf"), float("-inf"),
)  # fmt: skip
ON_VALUES = (
    "{{ $value }}",
    "{{ humanize $value }}",
    "{{ humanize1024 $value }}",
    "{{ humanizePercentage $value }}",
    '{{ printf "%.2f|%g|%v|%e|%8.3f|%d|%s|%q" $value $value $value $value $value $value $value $value }}',
    "{{ if $value }}yes{{ else }}no{{ end }}",
    "{{ gt $value 1.0 }} {{ le $value 1.0 }} {{ eq $value 1.0 }} {{ ne $value 1.0 }}",
)
LENGTHS = tuple(value for value in VALUES if not 2**63 <= abs(value) < float("inf"))
"""Beyond that, Go's conversion to int64 has no defined result, and ours is right."""
TIMESTAMPS = (0.0, 1.7e9, 1700000000.123, -1.5, 0.0004, 4102444800.0)
TEXTS = (
    "plain",
    "{{ $labels.service }} is down",
    "[{{ $labels.nope }}]",
    "{{ .Labels.service }}: {{ .Value }}",
    "{{ $labels }}",
    "{{ len $labels }}",
    '{{ index $labels "service" }}{{ index $labels "nope" }}',
    "{{ range $name, $value := $labels }}{{ $name }}={{ $value }};{{ end }}",
    "{{ range $labels }}<{{ . }}>{{ end }}",
    "{{ with $labels.nope }}there{{ else }}missing{{ end }}",
    "{{ with $labels.pod }}{{ . }}{{ end }}",
    '{{ if eq $labels.service "orders" "carts" }}a{{ else if eq $labels.service "x" }}b{{ else }}c{{ end }}',
    '{{ if and (eq $labels.service "orders") (ne $labels.pod "") }}both{{ end }}',
    '{{ if or $labels.nope $labels.service }}{{ or $labels.nope $labels.service "z" }}{{ end }}',
    "{{ not true }} {{ not $labels.nope }}",
    '{{ $labels.service | toUpper }} {{ toLower "ABC" }} {{ $labels.words | title }}',
    "{{ toUpper $labels.words }}",
    "{{ $labels.instance | stripPort }}",
    ('{{ stripPort "[::1]:80" }} {{ stripPort "no-port" }} {{ stripPort "a:b:c" }} {{ stripPort ":80" }} '
    '{{ stripPort "[::1]" }} {{ stripPort "x:" }}'),
    "{{ $labels.instance | stripDomain }}",
    ('{{ stripDomain "10.0.0.1:80" }} {{ stripDomain "a.b.c" }} {{ stripDomain "[2001:db8::1]:80" }} '
    '{{ stripDomain "host:9" }}'),
    '{{ reReplaceAll "(.*)-.*-.*" "$1" $labels.pod }}',
    '{{ $labels.pod | reReplaceAll "-[a-z0-9]+" "" }}',
    '{{ reReplaceAll "(?P<first>[a-z]+)-(.)" "${2}_${first}$$" $labels.pod }}',
    '{{ reReplaceAll "" "-" "abc" }}|{{ reReplaceAll "b*" "-" "abbc" }}|{{ reReplaceAll "x*" "-" "" }}',
    '{{ reReplaceAll "o" "$1x" "foo" }}|{{ reReplaceAll "(o)" "$1x" "foo" }}|{{ reReplaceAll "." "$" "ab" }}',
    '{{ match "^ord" $labels.service }} {{ match "x" $labels.service }} {{ match "r.e" "a\\nrde" }}',
    '{{ printf "%s has %d of %5.1f%% (%q) %t %v %x %T" $labels.pod 3 12.345 "q" true $labels.nope 255 1 }}',
    '{{ printf "%-8s|%8s|%08.3f|%+d|%c|%U|%#x|%o|%b" "ab" "cd" 3.14159 5 65 65 255 8 5 }}',
    '{{ printf "%s" }} {{ printf "x" 1 }} {{ printf "%d" "s" }} {{ printf "%!" }} {{ printf "100%" }}',
    '{{ printf "%[2]s %[1]s" "a" "b" }} {{ printf "%*d" 5 42 }} {{ printf "%v %v" 1.0 nil }}',
    '{{ print 1 2 "a" "b" 3 4.5 true nil }}|{{ println "x" 1 }}|{{ print }}',
    "{{ html $labels.msg }} {{ js $labels.msg }} {{ urlquery $labels.msg }}",
    "{{ safeHtml $labels.msg }} {{ $labels.msg }}",
    '{{ graphLink "sum(rate(x[5m])) > 1" }} {{ tableLink "up == 0" }}',
    '{{ args 1 "b" 2.5 }} {{ (args "x").arg0 }}',
    '{{ slice "abcdef" 1 3 }} {{ slice "abc" 1 }} {{ len "grün" }} {{ index "abc" 1 }}',
    "{{ $x := 1 }}{{ $x }}{{ $x = 2 }}{{ $x }}{{ with 3 }}{{ $x = . }}{{ end }}{{ $x }}",
    '{{ define "part" }}<{{ . }}>{{ end }}{{ template "part" $labels.service }}{{ template "part" 5 }}',
    '{{ block "inner" $value }}[{{ . }}]{{ end }}',
    'a {{- " b " -}} c {{/* nothing */}} d {{- /* trimmed */ -}} e',
    "{{ `raw \\n string` }} {{ \"tab\\tq\\\"\" }} {{ 'x' }} {{ 0x1F }} {{ 1e3 }} {{ 1_000 }} {{ -5 }}",
    '{{ true }} {{ false }} {{ (1) }} {{ (printf "%d" 1) }}',
    '{{ lt 1 2 }} {{ lt "a" "b" }} {{ ge 2.5 2.5 }} {{ eq 1 1 }} {{ eq "a" "a" }} {{ gt 3 2 }}',
    '{{ parseDuration "1h30m" }} {{ parseDuration "90s" | humanizeDuration }}',
    '{{ humanize "1234567" }} {{ humanizePercentage "0.5" }} {{ humanize 12 }} {{ humanizeDuration "1e3" }}',
    "{{ $externalURL }}|{{ .ExternalURL }}",
    "{{ $externalLabels }}|{{ $externalLabels.cluster }}|{{ .ExternalLabels.nope }}",
    "{{ range $i, $c := (args 1 2) }}{{ $i }}:{{ $c }},{{ else }}none{{ end }}",
    '{{ $labels.service }}{{ "{{" }} $value {{ "}}" }}',
    "line one\n{{ $labels.service }}\n{{- if true }}\n  three\n{{- end }}\n",
    '{{ $v := printf "%.1f" $value }}{{ $v | printf "%s of %s" $labels.service }}',
    "{{ ($labels).service }} {{ (.Labels).pod }} {{ .Labels.service | len }}",
    "grün → {{ $labels.words }} ✓",
    '{{ if not (match "^kube" $labels.service) }}{{ $labels.service | title | printf "%10s|" }}{{ end }}',
    '{{ and 1 0 2 }} {{ or 0 "" "last" }} {{ and true "x" }} {{ len (args) }}',
)  # fmt: skip
FAILS_TO_EXPAND = (
    "{{ .Nope }}",
    "{{ $labels.service.deeper }}",
    "{{ $value.real }}",
    "{{ lt 1 1.5 }}",
    "{{ gt $value 1 }}",
    "{{ eq $labels.service 1 }}",
    '{{ humanize "abc" }}',
    "{{ toUpper $value }}",
    '{{ template "missing" }}',
    '{{ reReplaceAll "(" "" "x" }}',
    '{{ match "(?=x)" "x" }}',
    '{{ index "abc" 9 }}',
    "{{ len 3 }}",
    "{{ range 1.5 }}x{{ end }}",
    '{{ slice "abc" 2 1 }}',
    "{{ title 3 }}",
    "{{ humanizeTimestamp 1e300 }}",
    '{{ parseDuration "soon" }}',
    "{{ printf 1 }}",
    "{{ toUpper }}",
    '{{ toUpper "a" "b" }}',
)
FAILS_TO_PARSE = (
    "{{ $labels.service",
    "{{ if true }}never ends",
    "{{ end }}",
    "{{ nothing_like_it $value }}",
    "{{ $undefined }}",
    "{{ if }}x{{ end }}",
    "{{ 'ab' }}",
    '{{ "open }}',
    "{{ range }}x{{ end }}",
    "{{ else }}",
    "{{ | toUpper }}",
    "{{ $labels. }}",
    "{{ template }}",
    "{{ break }}",
    '{{ define "a" }}x',
    "{{ ( 1 }}",
    "{{ 99999999999999999999999 }}",
)


def go(value: float) -> str:
    return {"nan": "NaN", "inf": "Inf", "-inf": "-Inf"}.get(repr(value), repr(value))


def cases() -> list[tuple[str, float]]:
    return [
        *((text, 1.5) for text in TEXTS),
        *((text, value) for text in ON_VALUES for value in VALUES),
        *(("{{ humanizeDuration $value }}", value) for value in LENGTHS),
        *(("{{ humanizeTimestamp $value }}", value) for value in TIMESTAMPS),
    ]


def rule(index: int, text: str, expr: str = "m") -> dict[str, object]:
    return {"alert": f"T{index}", "expr": expr, "annotations": {"text": text}}


def promtool(binaries: FoundServer, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [*binaries.command("promtool", folders=(folder,)), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def run_tests(
    binaries: FoundServer, folder: Path, rules: Sequence[dict[str, object]], expected: Sequence[str]
) -> str:
    """What promtool prints about rules of which each is expected to give one annotation."""
    series = [
        {"series": f"m_{index}{LABELS}", "values": go(value)} for index, (_, value) in enumerate(cases())
    ]
    told = [
        {
            "eval_time": "0s",
            "alertname": one["alert"],
            "exp_alerts": [
                {"exp_labels": LABELS.as_dict(), "exp_annotations": {"text": text} if text else {}}
            ],
        }
        for one, text in zip(rules, expected, strict=True)
    ]
    test = {"interval": "1m", "input_series": series, "alert_rule_test": told}
    test |= {"external_labels": {"cluster": "eu-1"}, "external_url": "http://prometheus.example/base"}
    (folder / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "g", "rules": list(rules)}]}))
    (folder / "test.yml").write_text(yaml.safe_dump({"rule_files": ["rules.yml"], "tests": [test]}))
    done = promtool(binaries, folder, "test", "rules", str(folder / "test.yml"))
    return done.stdout + done.stderr


def test_expands_as_promtool_does(prometheus_binaries: FoundServer, tmp_path: Path) -> None:
    external = LabelSet.of({"cluster": "eu-1"})
    rules = [rule(index, text, f"m_{index}") for index, (text, _) in enumerate(cases())]
    expected = [
        expand(
            text,
            labels=LABELS.merged(LabelSet.of({"__name__": f"m_{index}"})),
            value=value,
            external_url="http://prometheus.example/base",
            external_labels=external,
        )
        for index, (text, value) in enumerate(cases())
    ]
    assert "SUCCESS" in run_tests(prometheus_binaries, tmp_path, rules, expected)


def test_fails_to_expand_where_promtool_does(prometheus_binaries: FoundServer, tmp_path: Path) -> None:
    rules = [rule(index, text, "m_0 + 1.5") for index, text in enumerate(FAILS_TO_EXPAND)]
    told = run_tests(prometheus_binaries, tmp_path, rules, ["-"] * len(rules))
    assert told.count("<error expanding template") == len(rules), told
    for text in FAILS_TO_EXPAND:
        check_template(text)
        with pytest.raises(TemplateError):
            expand(text, labels=LABELS, value=1.5)


def test_refuses_to_parse_what_promtool_refuses(prometheus_binaries: FoundServer, tmp_path: Path) -> None:
    rules = [rule(index, text) for index, text in enumerate(FAILS_TO_PARSE)]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "g", "rules": rules}]}))
    told = promtool(prometheus_binaries, tmp_path, "check", "rules", str(tmp_path / "rules.yml")).stderr
    assert {int(index) for index in re.findall(r'"T(\d+)": annotation', told)} == set(range(len(rules))), told
    for text in FAILS_TO_PARSE:
        with pytest.raises(TemplateError):
            check_template(text)
