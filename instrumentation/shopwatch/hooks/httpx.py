"""httpx: every exchange is timed, each redirect as one, until the answer's head."""

from __future__ import annotations

import httpx

from shopwatch.hooks import http_call
from shopwatch.hooks.call import Call, timed, timed_async
from shopwatch.hooks.patching import Patches


def watch(patches: Patches, _: object = None) -> None:
    """Time ``_send_single_request``, which all of a client's methods end in, whatever its transport."""
    patches.around(httpx.Client, "_send_single_request", timed(_begin, _answered))
    patches.around(httpx.AsyncClient, "_send_single_request", timed_async(_begin, _answered))


def _begin(client: object, request: httpx.Request) -> Call:
    del client
    return http_call.to_host(request.method, request.url.host, request.url.port)


def _answered(call: Call, response: httpx.Response) -> None:
    http_call.answered(call, response.status_code)
