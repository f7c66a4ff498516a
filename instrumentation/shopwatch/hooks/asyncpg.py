"""asyncpg: every statement is timed, and of pools, waits and use are told."""

from __future__ import annotations

import time
from typing import Any, Final

from asyncpg.connection import Connection
from asyncpg.pool import Pool
from asyncpg.prepared_stmt import PreparedStatement

from shopwatch.hooks import db_call, pool
from shopwatch.hooks.call import ANY, Call, guarded, suppressing, timed_async
from shopwatch.hooks.patching import Function, Patches

SYSTEM: Final = "postgresql"
_DIRECT: Final = ("execute", "executemany", "fetch", "fetchval", "fetchrow", "fetchmany")
_PREPARED: Final = ("executemany", "fetch", "fetchval", "fetchrow", "fetchmany")


def watch(patches: Patches, _: object = None) -> None:
    """Time connections' and prepared statements' methods, and follow the pools."""
    for name in _DIRECT:
        patches.around(Connection, name, timed_async(_begin))
    for name in _PREPARED:
        patches.around(PreparedStatement, name, timed_async(_begin_prepared))
    patches.around(Pool, "_acquire", _waited)
    patches.around(Pool, "release", _released)


def _begin(connection: object, query: object, *_: object, **__: object) -> Call:
    del connection
    return db_call.statement(SYSTEM, query)


def _begin_prepared(statement: Any, *_: object, **__: object) -> Call:
    return db_call.statement(SYSTEM, statement.get_query())


def _name(of: Any) -> str:
    """A pool says nothing of whom it connects to; what it was told is all there is, without its password."""
    given = of._connect_kwargs  # noqa: SLF001 - as above
    host, database = given.get("host"), given.get("database")
    return f"{host}:{given.get('port') or 5432}/{database or ''}" if isinstance(host, str) else SYSTEM


def _tell(of: Any) -> None:
    idle = of.get_idle_size()
    pool.has(_name(of), idle=idle, used=of.get_size() - idle, most=of.get_max_size())


def _waited(acquire: Function) -> Function:
    async def watched(of: Any, *args: Any, **options: Any) -> Any:
        started = time.perf_counter()
        try:
            connection = await acquire(of, *args, **options)
        except TimeoutError:
            with guarded("recording a wait"):
                pool.timed_out(_name(of))
            raise
        with guarded("recording a wait"):
            pool.waited(_name(of), time.perf_counter() - started)
            _tell(of)
        return connection

    return watched


def _released(release: Function) -> Function:
    async def watched(of: Any, *args: Any, **options: Any) -> Any:
        with suppressing(ANY):  # it resets the connection by a statement of its own
            result = await release(of, *args, **options)
        with guarded("looking at a pool"):
            _tell(of)
        return result

    return watched
