"""The named templates that Alertmanager brings along, so that routing files which call them work."""

from __future__ import annotations

from typing import Final

DEFAULT_TEMPLATES: Final = (
    '{{ define "__alertmanager" }}shopwatch{{ end }}'
    '{{ define "__alertmanagerURL" }}{{ .ExternalURL }}{{ end }}'
    '{{ define "__subject" }}'
    '[{{ .Status | toUpper }}{{ if eq .Status "firing" }}:{{ len .Alerts.Firing }}{{ end }}] '
    '{{ join " " .GroupLabels.SortedPairs.Values }}'
    "{{ if gt (len .CommonLabels) (len .GroupLabels) }}"
    ' ({{ join " " (.CommonLabels.Remove .GroupLabels.Names).Values }}){{ end }}{{ end }}'
    '{{ define "__description" }}{{ end }}'
    '{{ define "__text_alert_list" }}{{ range . }}'
    "Labels:\n{{ range .Labels.SortedPairs }} - {{ .Name }} = {{ .Value }}\n{{ end }}"
    "Annotations:\n{{ range .Annotations.SortedPairs }} - {{ .Name }} = {{ .Value }}\n{{ end }}"
    "Source: {{ .GeneratorURL }}\n{{ end }}{{ end }}"
    '{{ define "pagerduty.default.description" }}{{ template "__subject" . }}{{ end }}'
    '{{ define "pagerduty.default.client" }}{{ template "__alertmanager" . }}{{ end }}'
    '{{ define "pagerduty.default.clientURL" }}{{ template "__alertmanagerURL" . }}{{ end }}'
    '{{ define "pagerduty.default.instances" }}{{ template "__text_alert_list" . }}{{ end }}'
    '{{ define "opsgenie.default.message" }}{{ template "__subject" . }}{{ end }}'
    '{{ define "opsgenie.default.description" }}{{ join " " .CommonAnnotations.SortedPairs.Values }}\n'
    "{{ if .Alerts.Firing }}Alerts Firing:\n"
    '{{ template "__text_alert_list" .Alerts.Firing }}{{ end }}'
    "{{ if .Alerts.Resolved }}Alerts Resolved:\n"
    '{{ template "__text_alert_list" .Alerts.Resolved }}{{ end }}{{ end }}'
    '{{ define "opsgenie.default.source" }}{{ template "__alertmanagerURL" . }}{{ end }}'
)
"""Names are Alertmanager's; the texts say the same things."""
