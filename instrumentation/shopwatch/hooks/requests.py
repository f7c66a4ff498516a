"""requests: every exchange is timed, each redirect as one."""

from __future__ import annotations

from typing import Any

from requests.adapters import HTTPAdapter

from shopwatch.hooks import http_call
from shopwatch.hooks.call import HTTP, Call, timed
from shopwatch.hooks.patching import Patches


def watch(patches: Patches, _: object = None) -> None:
    """Time ``HTTPAdapter.send``, which every session ends in."""
    patches.around(HTTPAdapter, "send", timed(_begin, _answered, key=HTTP))


def _begin(adapter: HTTPAdapter, request: Any, *_: object, **__: object) -> Call:
    del adapter
    return http_call.to_url(request.method, request.url)


def _answered(call: Call, response: Any) -> None:
    http_call.answered(call, response.status_code)
