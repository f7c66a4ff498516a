"""urllib3: every request is timed, its retries within; retries are counted, those of requests too."""

from __future__ import annotations

from typing import Any

from urllib3.connectionpool import HTTPConnectionPool
from urllib3.util.retry import Retry

from shopwatch import catalogue
from shopwatch.hooks import http_call
from shopwatch.hooks.call import ANY, HTTP, Call, count, guarded, suppressed, timed
from shopwatch.hooks.patching import Function, Patches
from shopwatch.hooks.peer import peer_of


def watch(patches: Patches, _: object = None) -> None:
    """Time ``HTTPConnectionPool.urlopen``, and count what its ``Retry`` grants."""
    patches.around(HTTPConnectionPool, "urlopen", timed(_begin, _answered, key=HTTP))
    patches.around(Retry, "increment", _counted)


def _begin(pool: HTTPConnectionPool, method: str, *_: object, **__: object) -> Call:
    return http_call.to_host(method, pool.host, pool.port)


def _answered(call: Call, response: Any) -> None:
    http_call.answered(call, response.status)


def _counted(increment: Function) -> Function:
    """``increment`` raises when there are no retries left; it grants redirects as well, which are none."""

    def watched(retry: Retry, *args: Any, **options: Any) -> Any:
        granted = increment(retry, *args, **options)
        with guarded("counting a retry"):
            redirected = args[2].get_redirect_location() if len(args) > 2 and args[2] else None
            response = options.get("response")
            if response is not None:
                redirected = response.get_redirect_location()
            pool = options.get("_pool")
            if not redirected and pool is not None and not suppressed(ANY):
                count(catalogue.CLIENT_RETRIES, peer_of(pool.host, pool.port))
        return granted

    return watched
