"""psycopg: every statement is timed; of psycopg_pool, waits and use are told."""

from __future__ import annotations

import time
from typing import Any, Final

import psycopg

from shopwatch.hooks import db_call, pool
from shopwatch.hooks.call import Call, guarded, timed, timed_async
from shopwatch.hooks.patching import Function, Patches

SYSTEM: Final = "postgresql"
_METHODS: Final = ("execute", "executemany")


def watch(patches: Patches, _: object = None) -> None:
    """Time the cursors' methods."""
    for cursor in (psycopg.Cursor, psycopg.ServerCursor):
        for name in _METHODS:
            patches.around(cursor, name, timed(_begin))
    for asynchronous in (psycopg.AsyncCursor, psycopg.AsyncServerCursor):
        for name in _METHODS:
            patches.around(asynchronous, name, timed_async(_begin))


def watch_pool(patches: Patches, _: object = None) -> None:
    """Follow ``psycopg_pool``, which is a package of its own."""
    import psycopg_pool  # noqa: PLC0415 - not everyone has it

    patches.around(psycopg_pool.ConnectionPool, "getconn", _waited)
    patches.around(psycopg_pool.ConnectionPool, "putconn", _returned)
    patches.around(psycopg_pool.AsyncConnectionPool, "getconn", _waited_async)
    patches.around(psycopg_pool.AsyncConnectionPool, "putconn", _returned_async)


def _begin(cursor: object, query: object, *_: object, **__: object) -> Call:
    del cursor
    text = query.decode("utf-8", "replace") if isinstance(query, bytes) else query
    if not isinstance(text, str) and hasattr(query, "as_string"):  # composed by psycopg.sql
        text = query.as_string()
    return db_call.statement(SYSTEM, text)


class _Wait:
    """Times how long a pool takes to give a connection."""

    __slots__ = ("_of", "_started")

    def __init__(self, of: Any) -> None:
        self._of = of
        self._started = time.perf_counter()

    def __enter__(self) -> None:
        """The clock runs."""

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with guarded("recording a wait"):
            if kind is None:
                pool.waited(self._of.name, time.perf_counter() - self._started)
            elif kind.__name__ in ("PoolTimeout", "TooManyRequests"):
                pool.timed_out(self._of.name)
            _tell(self._of)


def _tell(of: Any) -> None:
    says = of.get_stats()
    idle, size = says.get("pool_available", 0), says.get("pool_size", 0)
    pool.has(of.name, idle=idle, used=size - idle, most=of.max_size, pending=says.get("requests_waiting", 0))


def _waited(getconn: Function) -> Function:
    def watched(of: Any, *args: Any, **options: Any) -> Any:
        with _Wait(of):
            return getconn(of, *args, **options)

    return watched


def _waited_async(getconn: Function) -> Function:
    async def watched(of: Any, *args: Any, **options: Any) -> Any:
        with _Wait(of):
            return await getconn(of, *args, **options)

    return watched


def _returned(putconn: Function) -> Function:
    def watched(of: Any, *args: Any, **options: Any) -> None:
        putconn(of, *args, **options)
        with guarded("looking at a pool"):
            _tell(of)

    return watched


def _returned_async(putconn: Function) -> Function:
    async def watched(of: Any, *args: Any, **options: Any) -> None:
        await putconn(of, *args, **options)
        with guarded("looking at a pool"):
            _tell(of)

    return watched
