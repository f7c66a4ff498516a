"""A service that this one calls: one try, a bounded wait, and a clear status when it fails."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final

import httpx
from fastapi import HTTPException

_LOG: Final = logging.getLogger(__name__)


class Peer:
    """Calls one service. A failed call is not tried again: the customer is, or is not, still there.

    Args:
        name: what it is called in errors.
        base_url: its address.
        timeout_s: the longest that a call may take.
        transport: instead of the network.
    """

    def __init__(
        self, name: str, base_url: str, *, timeout_s: float, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self.name = name
        self._timeout_s = timeout_s
        # trust_env: a proxy that the environment names must not see the shop's own traffic
        self._client = httpx.AsyncClient(
            base_url=base_url, timeout=timeout_s, transport=transport, trust_env=False
        )

    async def ask(
        self,
        method: str,
        path: str,
        *,
        json: object = None,
        body: bytes | None = None,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """The answer, whatever its status below 500. At most one of ``json``, ``body`` and ``form`` is sent.

        Raises:
            HTTPException: 504 when it took too long, 502 when it cannot be reached or failed itself.
        """
        try:
            answer = await self._client.request(
                method, path, json=json, content=body, data=form, headers=headers
            )
        except httpx.TimeoutException as error:
            _LOG.exception("%s did not answer within %g s", self.name, self._timeout_s)
            raise HTTPException(504, f"{self.name} did not answer in time") from error
        except httpx.TransportError as error:
            _LOG.exception("%s cannot be reached", self.name)
            raise HTTPException(502, f"{self.name} cannot be reached") from error
        if answer.status_code >= 500:
            _LOG.error("%s answered %d to %s %s", self.name, answer.status_code, method, path)
            raise HTTPException(502, f"{self.name} failed")
        return answer

    async def close(self) -> None:
        """Let go of its connections."""
        await self._client.aclose()


def body_of(answer: httpx.Response) -> Any:  # noqa: ANN401 - another service's JSON
    """The JSON of an answer.

    Raises:
        HTTPException: it is no JSON.
    """
    try:
        return answer.json()
    except ValueError as error:
        raise HTTPException(502, "a service behind this one did not answer in JSON") from error
