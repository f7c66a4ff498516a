"""aiohttp: every request of a client session is timed, its redirects within, until the answer's head."""

from __future__ import annotations

from typing import Any

from aiohttp import ClientSession

from shopwatch.hooks import http_call
from shopwatch.hooks.call import Call, timed_async
from shopwatch.hooks.patching import Patches


def watch(patches: Patches, _: object = None) -> None:
    """Time ``ClientSession._request``, which all of a session's methods end in."""
    patches.around(ClientSession, "_request", timed_async(_begin, _answered))


def _begin(session: Any, method: str, url: Any, **_: object) -> Call:
    base = session._base_url  # noqa: SLF001 - nothing public says it
    return http_call.to_url(method, str(url if base is None else base.join(type(base)(url))))


def _answered(call: Call, response: Any) -> None:
    http_call.answered(call, response.status)
