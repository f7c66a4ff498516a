"""Prometheus, and all that speaks its query API: Mimir, Thanos, VictoriaMetrics.

Knows how to ask; ``prometheus_answer`` knows how to read. Asks with POST (a batch is long) and takes
no compressed answers: compressing costs Prometheus more than all else of a batch.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping
from typing import Final

import aiohttp
from yarl import URL

from shopwatch_engine.exceptions import SourceError
from shopwatch_engine.model import Exemplar, Sample, Secret
from shopwatch_engine.sources import prometheus_answer

_CHUNK_BYTES: Final = 256 * 1024
MAX_ANSWER_BYTES: Final = 64 * 1024 * 1024
CONNECTIONS: Final = 4
_STALE: Final = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)


class PrometheusSource:
    """A MetricSource over HTTP.

    Args:
        url: its address, with its path prefix if it has one; ``user:password@`` becomes basic auth.
        timeout_s: seconds for one question, from connecting to the last byte.
        headers: sent with every question (``Authorization``, ``X-Scope-OrgID``); never shown.
        max_answer_bytes: an answer that is longer is an error.
        connections: how many questions may be under way at once; the others wait within their timeout.

    Raises:
        SourceError: ``url`` is not an http or https URL.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout_s: float = 10.0,
        headers: Mapping[str, str] | None = None,
        max_answer_bytes: int = MAX_ANSWER_BYTES,
        connections: int = CONNECTIONS,
    ) -> None:
        parsed = _parsed(url)
        self._base = parsed.with_user(None).with_query(None).with_fragment(None)
        self._timeout_s = timeout_s
        self._headers = {
            name: Secret(value) for name, value in {**_basic_auth(parsed), **(headers or {})}.items()
        }
        self._max_answer_bytes = max_answer_bytes
        self._connections = connections
        self._session: aiohttp.ClientSession | None = None

    def __repr__(self) -> str:
        return f"PrometheusSource({self.address!r})"

    @property
    def address(self) -> str:
        """The address, without credentials."""
        return str(self._base)

    async def query(self, expr: str, at: float) -> tuple[Sample, ...]:
        """The instant vector of ``expr`` at a time (see ``MetricSource``)."""
        # A second less than ours, so that it is Prometheus that says which question took too long.
        server_timeout_s = max(self._timeout_s - 1.0, self._timeout_s / 2)
        form = {"query": expr, "time": f"{at:.3f}", "timeout": f"{server_timeout_s:.3f}"}
        return prometheus_answer.samples(*await self._post("query", form))

    async def exemplars(self, expr: str, start: float, end: float) -> tuple[Exemplar, ...]:
        """The exemplars of the series that ``expr`` selects, newest first (see ``MetricSource``)."""
        form = {"query": expr, "start": f"{start:.3f}", "end": f"{end:.3f}"}
        return prometheus_answer.exemplars(*await self._post("query_exemplars", form))

    async def close(self) -> None:
        """Let go of the connections; the next question would make new ones."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _post(self, name: str, form: Mapping[str, str]) -> tuple[int, str, bytes]:
        """Status, content type and body of an answer.

        Raises:
            SourceError: there is none, or it is too long, or it points elsewhere.
        """
        try:
            async with asyncio.timeout(self._timeout_s):
                try:
                    return await self._asked(name, form)
                except _STALE:  # a kept connection that was closed meanwhile; a query may be asked twice
                    return await self._asked(name, form)
        except TimeoutError as error:
            raise SourceError(self._said(f"no answer within {self._timeout_s:g} s")) from error
        except aiohttp.ClientConnectorError as error:
            raise SourceError(self._said(f"cannot connect ({_os_reason(error)}); is it running?")) from error
        except (aiohttp.ClientError, ValueError, OSError) as error:
            raise SourceError(self._said(f"the answer broke off ({type(error).__name__})")) from error

    async def _asked(self, name: str, form: Mapping[str, str]) -> tuple[int, str, bytes]:
        # Redirects are not followed: a POST would become a GET, and credentials would go elsewhere.
        url = self._base / "api" / "v1" / name
        async with self._connected().post(url, data=form, allow_redirects=False) as answer:
            if 300 <= answer.status < 400:
                raise SourceError(self._said(_redirected(answer)))
            return answer.status, answer.content_type, await self._body(answer)

    async def _body(self, answer: aiohttp.ClientResponse) -> bytes:
        body = bytearray()
        async for chunk in answer.content.iter_chunked(_CHUNK_BYTES):
            body += chunk
            if len(body) > self._max_answer_bytes:
                raise SourceError(
                    self._said(f"an answer of more than {self._max_answer_bytes} bytes"), culprit=True
                )
        return bytes(body)

    def _connected(self) -> aiohttp.ClientSession:
        """The session; made when first needed, since it belongs to the loop that runs then."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                headers={
                    "Accept-Encoding": "identity",
                    "User-Agent": "shopwatch",
                    **{name: value.reveal() for name, value in self._headers.items()},
                },
                connector=aiohttp.TCPConnector(limit=self._connections),
                timeout=aiohttp.ClientTimeout(),  # one timeout spans both tries: see _post
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session

    def _said(self, reason: str) -> str:
        return f"Prometheus at {self.address}: {reason}"


def _parsed(url: str) -> URL:
    # The URL may hold a password, so no message repeats it and no cause is chained.
    try:
        parsed = URL(url)
    except ValueError:
        parsed = URL()
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise SourceError(
            "the address of Prometheus is not of the form http://HOST:PORT or https://HOST/PATH"
        )
    return parsed


def _basic_auth(url: URL) -> dict[str, str]:
    if not (url.user or url.password):
        return {}
    pair = f"{url.user or ''}:{url.password or ''}".encode()
    return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}


def _redirected(answer: aiohttp.ClientResponse) -> str:
    # Of the target only host and path: the rest may hold a session or a password.
    try:
        target = answer.url.join(URL(answer.headers.get("Location", "")))
        shown = f"{target.scheme}://{target.host}{target.path}"
    except ValueError:
        shown = "nowhere"
    return f"HTTP {answer.status}, it redirects to {shown}; set its URL to where it really is"


def _os_reason(error: aiohttp.ClientConnectorError) -> str:
    reason = error.os_error.strerror or type(error.os_error).__name__
    return reason.partition("[")[0].strip() or type(error.os_error).__name__
