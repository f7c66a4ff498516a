"""redis: commands and pipelines are timed, look-ups are hits or misses, retries and pools are told."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

import redis
import redis.asyncio as redis_async
from redis.asyncio.cluster import ClusterPipeline as AsyncClusterPipeline
from redis.asyncio.connection import ConnectionPool as AsyncConnectionPool
from redis.asyncio.retry import Retry as AsyncRetry
from redis.cluster import ClusterPipeline
from redis.connection import ConnectionPool
from redis.exceptions import MaxConnectionsError
from redis.retry import Retry

from shopwatch import catalogue
from shopwatch.hooks import db_call, pool
from shopwatch.hooks.cache_result import looked_up_in
from shopwatch.hooks.call import ANY, Call, count, guarded, suppressed, timed, timed_async
from shopwatch.hooks.patching import Function, Patches

SYSTEM: Final = "redis"
PIPELINE: Final = "PIPELINE"
_NONE_LEFT: Final = "No connection available"  # all that tells a blocking pool's error from others
_ONE: Final = frozenset(("GET", "GETEX", "GETDEL", "HGET"))
_MANY: Final = frozenset(("MGET", "HMGET"))


def watch(patches: Patches, _: object = None) -> None:
    """Time what all commands end in, of clients and clusters, and follow the pools."""
    for client in (redis.Redis, redis.RedisCluster):
        patches.around(client, "execute_command", timed(_begin, _answered))
    for asynchronous in (redis_async.Redis, redis_async.RedisCluster):
        patches.around(asynchronous, "execute_command", timed_async(_begin, _answered))
    for pipeline in (redis.client.Pipeline, ClusterPipeline):
        patches.around(pipeline, "execute", timed(_begin_pipeline))
    for awaited in (redis_async.client.Pipeline, AsyncClusterPipeline):
        patches.around(awaited, "execute", timed_async(_begin_pipeline))
    for pool_kind in (ConnectionPool, redis.BlockingConnectionPool):
        patches.around(pool_kind, "get_connection", _waited)
        patches.around(pool_kind, "release", _released)
    for awaited_pool in (AsyncConnectionPool, redis_async.BlockingConnectionPool):
        patches.around(awaited_pool, "get_connection", _waited_async)
        patches.around(awaited_pool, "release", _released_async)
    patches.around(Retry, "call_with_retry", _counted)
    patches.around(AsyncRetry, "call_with_retry", _counted_async)


def _begin(client: object, *args: object, **_: object) -> Call:
    del client
    return db_call.operation(SYSTEM, db_call.command(args[0]))


def _begin_pipeline(pipeline: object, *_: object, **__: object) -> Call:
    del pipeline
    return db_call.operation(SYSTEM, PIPELINE)


def _answered(call: Call, result: Any) -> None:
    asked = call.attributes[catalogue.DB_OPERATION]
    if asked in _ONE:
        looked_up_in(SYSTEM, (result,))
    elif asked in _MANY and isinstance(result, list):
        looked_up_in(SYSTEM, result)


# ---------------------------------------------------------------- pools
def _name(of: Any) -> str:
    given = of.connection_kwargs
    place = given.get("path") or f"{given.get('host') or 'localhost'}:{given.get('port') or 6379}"
    return f"{place}/{given.get('db') or 0}"


def _tell(of: Any) -> None:
    with guarded("looking at a pool"):
        if hasattr(of, "_get_free_connections"):
            free, used = of._get_free_connections(), of._get_in_use_connections()  # noqa: SLF001 - public ones build attributes
            pool.has(_name(of), idle=len(free), used=len(used), most=min(of.max_connections, 1 << 30))


def _waited(get: Function) -> Function:
    def watched(of: Any, *args: Any, **options: Any) -> Any:
        with _Wait(of):
            return get(of, *args, **options)

    return watched


def _waited_async(get: Function) -> Function:
    async def watched(of: Any, *args: Any, **options: Any) -> Any:
        with _Wait(of):
            return await get(of, *args, **options)

    return watched


class _Wait:
    """Times how long a pool takes to give a connection; one within the other counts once."""

    __slots__ = ("_of", "_started")

    def __init__(self, of: Any) -> None:
        self._of = of
        self._started = time.perf_counter()

    def __enter__(self) -> None:
        """The clock runs."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        seconds = time.perf_counter() - self._started
        with guarded("recording a wait"):
            if error is None:
                pool.waited(_name(self._of), seconds)
            elif isinstance(error, MaxConnectionsError) or _NONE_LEFT in str(error):
                pool.timed_out(_name(self._of))
        _tell(self._of)


def _released(release: Function) -> Function:
    def watched(of: Any, *args: Any, **options: Any) -> Any:
        result = release(of, *args, **options)
        _tell(of)
        return result

    return watched


def _released_async(release: Function) -> Function:
    async def watched(of: Any, *args: Any, **options: Any) -> Any:
        result = await release(of, *args, **options)
        _tell(of)
        return result

    return watched


# ---------------------------------------------------------------- retries
class _Failures:
    """Counts how often an operation failed; each but a last one, that was raised, led to a retry."""

    __slots__ = ("number", "raised")

    def __init__(self) -> None:
        self.number = 0
        self.raised = False

    def seen_by(self, fail: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any) -> Any:
            self.number += 1
            return fail(*args)

        return counted

    def __enter__(self) -> None:
        """Nothing has failed yet."""

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with guarded("counting retries"):
            retries = self.number - (kind is not None)
            if retries > 0 and not suppressed(ANY):
                count(catalogue.CLIENT_RETRIES, SYSTEM, amount=retries)


def _counted(call_with_retry: Function) -> Function:
    def watched(retry: Retry, do: Any, fail: Any, *args: Any, **options: Any) -> Any:
        failures = _Failures()
        with failures:
            return call_with_retry(retry, do, failures.seen_by(fail), *args, **options)

    return watched


def _counted_async(call_with_retry: Function) -> Function:
    async def watched(retry: AsyncRetry, do: Any, fail: Any, *args: Any, **options: Any) -> Any:
        failures = _Failures()
        with failures:
            return await call_with_retry(retry, do, failures.seen_by(fail), *args, **options)

    return watched
