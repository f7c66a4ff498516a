"""What ``/metrics``, ``/healthz`` and ``/readyz`` answer. Knows neither ASGI nor WSGI."""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from shopwatch.exposition import expose
from shopwatch.health import Readiness, ReadinessProbe
from shopwatch.telemetry import Telemetry

METRICS: Final = "/metrics"
LIVENESS: Final = "/healthz"
READINESS: Final = "/readyz"
_JSON: Final = "application/json"
_NOT_KEPT: Final = ("Cache-Control", "no-store")

Header = Callable[[str], str]
"""From a header's name to its value; empty when it is absent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What is sent."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


class Endpoints:
    """Answers on the paths that the library serves.

    Args:
        telemetry: of the service.
        readiness: what ``/readyz`` asks.
    """

    def __init__(self, telemetry: Telemetry, readiness: ReadinessProbe) -> None:
        self._telemetry = telemetry
        self._registry = telemetry.instruments.registry
        self._token = telemetry.settings.metrics_token.encode()
        self.readiness = readiness
        apart = telemetry.settings.metrics_port is not None
        self._paths = frozenset((LIVENESS, READINESS) if apart else (METRICS, LIVENESS, READINESS))

    def has(self, path: str) -> bool:
        """Whether the library answers on a path."""
        return path in self._paths

    def answer(self, path: str, header: Header) -> Answer:
        """The answer; blocks for as long as the checks take."""
        if path == METRICS:
            return self.metrics(header)
        if path == LIVENESS:
            return _alive()
        return self._drains() or ready(self.readiness.blocking())

    async def ready(self) -> Answer:
        """The answer for ``/readyz``, within an event loop."""
        return self._drains() or ready(await self.readiness())

    def _drains(self) -> Answer | None:
        """The answer of a service that is about to end, which asks nothing of the others any more."""
        drain = self._telemetry.drain
        if drain is None or not drain.draining:
            return None
        return _answer(503, _JSON, b'{"status":"draining","checks":{}}')

    def on_own_port(self, path: str, header: Header) -> Answer | None:
        """The answer on a port of the library's own; None when there is none on that path."""
        return self.answer(path, header) if path in (METRICS, LIVENESS, READINESS) else None

    def metrics(self, header: Header) -> Answer:
        """The metrics, for who may see them."""
        if self._token and not hmac.compare_digest(
            header("authorization").encode(), b"Bearer " + self._token
        ):
            said = ("WWW-Authenticate", 'Bearer realm="metrics"')
            return _answer(401, "text/plain", b"a bearer token is needed\n", said)
        if self._telemetry.runtime is not None:
            self._telemetry.runtime.sample()
        made = expose(self._registry, header("accept"), header("accept-encoding"))
        encoding = (("Content-Encoding", made.encoding),) if made.encoding else ()
        return _answer(200, made.content_type, made.body, ("Vary", "Accept, Accept-Encoding"), *encoding)


def _alive() -> Answer:
    return _answer(200, _JSON, b'{"status":"ok"}')


def ready(said: Readiness) -> Answer:
    """What the checks said, for ``/readyz``."""
    body = {"status": "ready" if said.ready else "not ready", "checks": dict(said.checks)}
    return _answer(200 if said.ready else 503, _JSON, json.dumps(body).encode())


def _answer(status: int, content_type: str, body: bytes, *headers: tuple[str, str]) -> Answer:
    return Answer(status=status, headers=(("Content-Type", content_type), *headers, _NOT_KEPT), body=body)
