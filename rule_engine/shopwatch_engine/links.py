"""The links of a page: dashboard, runbook, the expression's graph, traces. Pure; only web addresses pass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

from shopwatch_engine.model import Link, Notification, TraceSummary

_ALERTS: Final = 5  # of a group, those whose links are given
_ANNOTATIONS: Final = (("Dashboard", ("dashboard_url", "dashboard")), ("Runbook", ("runbook_url", "runbook")))


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """Makes the links of a page.

    Args:
        prometheus_url: address of Prometheus for people; credentials in it are left out.
        jaeger_url: address of Jaeger's page, or nothing.
    """

    prometheus_url: str = ""
    jaeger_url: str = ""

    def links(
        self, notification: Notification, *, now: float, traces: Sequence[TraceSummary] = ()
    ) -> tuple[Link, ...]:
        """Dashboard, runbook, each expression's graph at its time, and the traces; each address once."""
        found = {link.href: link for link in self._all(notification, now, traces) if _is_web(link.href)}
        return tuple(found.values())

    def graph(self, expr: str, *, at: float) -> str:
        """The address of an expression's graph, the hour up to a time; "" without a Prometheus."""
        base = _public(self.prometheus_url)
        if not (base and expr):
            return ""
        end = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")
        query = {"g0.expr": expr, "g0.tab": "0", "g0.range_input": "1h", "g0.end_input": end}
        return f"{base}/graph?{urlencode(query)}"

    def _all(self, notification: Notification, now: float, traces: Sequence[TraceSummary]) -> Iterator[Link]:
        alerts = notification.told[:_ALERTS]
        for alert in alerts:
            for text, names in _ANNOTATIONS:
                said = next((value for name in names if (value := alert.annotations.get(name))), "")
                yield Link(text=text, href=_absolute(said, notification.external_url))
        for alert in alerts:
            yield Link(text="Prometheus", href=self.graph(alert.expr, at=alert.ends_at or now))
        jaeger = _public(self.jaeger_url)
        for trace in traces if jaeger else ():
            yield Link(text=f"Trace {trace.trace_id[:8]}", href=f"{jaeger}/trace/{quote(trace.trace_id)}")


def _absolute(href: str, base: str) -> str:
    """A path is one of the engine's own pages; whatever else is said stays as it is."""
    return f"{_public(base)}{href}" if href.startswith("/") and base else href


def _public(url: str) -> str:
    """An address without credentials, query or a slash at its end; "" for what is none."""
    if not _is_web(url):
        return ""
    try:
        parts = urlsplit(url)
    except ValueError:  # half a bracketed address: no link is better than no evidence
        return ""
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path.rstrip("/"), "", ""))


def _is_web(url: str) -> bool:
    return url.startswith(("http://", "https://"))
