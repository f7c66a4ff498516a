"""What requests that ended alike share: their series, and the parts of span and line that do not differ."""

from __future__ import annotations

import logging
from typing import Any, Final

from opentelemetry.trace import SpanKind, Status, StatusCode

from shopwatch import catalogue, logs, wire
from shopwatch.metrics import BoundMetric
from shopwatch.spans import Outcome

_MOST: Final = 8_192  # outcomes that are kept; routes, statuses and failures of a service are far fewer
_ERROR: Final = Status(StatusCode.ERROR)

Key = tuple[str, str, int | None, str, str]


class Outcomes:
    """The outcomes of one service, each bound when it is first needed.

    Args:
        durations: the histogram that their series are of.
    """

    def __init__(self, durations: BoundMetric) -> None:
        self._durations = durations
        self._known: dict[Key, Outcome] = {}

    def of(self, key: Key) -> Outcome:
        """The outcome of requests with this method, route, status, scheme and ``error.type``."""
        known = self._known.get(key)
        return known if known is not None else self._bind(key)

    def _bind(self, key: Key) -> Outcome:
        method, route, status, scheme, failure = key
        code = catalogue.NO_STATUS if status is None else str(status)
        series = self._durations.series((method, route, code, scheme, failure))
        made = _outcome(key, series)
        if len(self._known) < _MOST:
            self._known[key] = made
        return made


def _outcome(key: Key, series: Any) -> Outcome:  # noqa: ANN401 - a histogram's series
    method, route, status, scheme, failure = key
    is_error = failure not in ("", catalogue.CLIENT_DISCONNECT)
    level = logging.ERROR if is_error else logging.INFO
    ended: dict[str, str | int] = {catalogue.HTTP_METHOD: method}
    if route:
        ended[catalogue.HTTP_ROUTE] = route
    if status is not None:
        ended[catalogue.HTTP_STATUS] = status
    if failure:
        ended[catalogue.ERROR_TYPE] = failure
    attributes = {**ended, catalogue.URL_SCHEME: scheme}
    text = f"{method} {route or '(no route)'} {'-' if status is None else status} "
    verb = "HTTP" if method == catalogue.OTHER else method
    name = f"{verb} {route}" if route else verb
    severity, number = logs.severity(level)
    inside = ",".join(f"{logs.json_text(key)}:{_json(value)}" for key, value in ended.items())
    return Outcome(
        route=route,
        series=series,
        is_error=is_error,
        level=level,
        name=name,
        head=wire.span_head(name, SpanKind.SERVER),
        attributes=attributes,
        fixed=wire.span_attributes(attributes),
        end_status=wire.span_status(_ERROR) if is_error else wire.span_status(Status()),
        log_severity=wire.log_severity(number.value, severity),
        log_fixed=wire.log_attributes(ended),
        text=text,
        json_body=f'"body":{{"text":{logs.json_text(text)[:-1]}',
        json_middle=f'"severity_text":"{severity}","severity_number":{number.value},',
        json_attributes=f'"scope":{{"name":"{catalogue.ACCESS_LOGGER}"}},"attributes":{{{inside},',
    )


def _json(value: str | int) -> str:
    return str(value) if isinstance(value, int) else logs.json_text(value)
