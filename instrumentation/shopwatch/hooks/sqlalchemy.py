"""SQLAlchemy: every statement is timed, a database that cannot be reached is counted, and pools are told.

Spans are made by OpenTelemetry's tracer of an engine, which each engine is given when it is first used, one
that was made before the service was watched too. What SQLAlchemy asks of a driver is not watched twice.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final
from weakref import WeakSet

from opentelemetry import context as otel_context
from opentelemetry.trace import TracerProvider
from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import QueuePool

from shopwatch.hooks import contrib, db_call, pool
from shopwatch.hooks.call import ANY, Call, guarded
from shopwatch.hooks.patching import Function, Patches

CONNECT: Final = "CONNECT"
"""``db.operation.name`` of an attempt to connect that failed."""
_SYSTEMS: Final[Mapping[str, str]] = MappingProxyType(
    {"mssql": "microsoft.sql_server", "oracle": "oracle.db"}  # other dialects bear the convention's name
)
_FIRST: Final = ("after_cursor_execute", "handle_error")  # ends what began last
_KEY: Final = "shopwatch.call"


def watch(patches: Patches, provider: TracerProvider | None = None) -> None:
    """Follow ``Engine.raw_connection``, which all connections of an engine come from."""
    engines = _Engines(provider)
    patches.around(Engine, "raw_connection", engines.given)
    patches.later(engines.forget)


class _Engines:
    """The engines that are followed."""

    def __init__(self, provider: TracerProvider | None) -> None:
        self._provider = provider
        self._known: WeakSet[Engine] = WeakSet()
        self._followed: list[_Followed] = []

    def given(self, raw_connection: Function) -> Function:
        """Follow an engine from its first connection on, and time how long each takes to get."""

        def watched(engine: Engine, *args: Any, **options: Any) -> Any:
            with guarded("following an engine"):
                self._follow(engine)
            started, connecting = time.perf_counter(), db_call.operation(_system(engine), CONNECT)
            try:
                connection = raw_connection(engine, *args, **options)
            except BaseException as error:
                with guarded("recording a failed connection"):
                    _refused(engine, connecting, error)
                raise
            with guarded("recording a connection"):
                pool.waited(_name(engine), time.perf_counter() - started)
                _tell(engine)
            return connection

        return watched

    def _follow(self, engine: Engine) -> None:
        if engine in self._known:
            return
        self._known.add(engine)
        followed = _Followed(engine)
        followed.begin(self._provider)
        self._followed.append(followed)

    def forget(self) -> None:
        """Follow none any more."""
        for followed in self._followed:
            followed.end()


def _nothing() -> None:
    """There is nothing to undo."""


def _refused(engine: Engine, connecting: Call, error: BaseException) -> None:
    if isinstance(error, PoolTimeout):
        pool.timed_out(_name(engine))
        _tell(engine)
        return
    connecting.failed(getattr(error, "orig", None) or error)
    connecting.end()


class _Followed:
    """Listens to one engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._untrace: Callable[[], None] = _nothing
        self._system = _system(engine)
        self._listeners = (
            (engine, "before_cursor_execute", self._before),
            (engine, "after_cursor_execute", self._after),
            (engine, "handle_error", self._failed),
            (engine.pool, "checkin", self._returned),
        )

    def begin(self, provider: TracerProvider | None) -> None:
        """OpenTelemetry's tracer listens first, so that its span has the call to the driver in it."""
        self._untrace = contrib.trace_engine(self._engine, provider)
        for target, name, listener in self._listeners:
            event.listen(target, name, listener, insert=name in _FIRST)

    def end(self) -> None:
        """Listen no more."""
        self._untrace()
        for target, name, listener in self._listeners:
            event.remove(target, name, listener)

    def _before(self, connection: Connection, _cursor: object, statement: str, *_: object) -> None:
        with guarded("beginning a statement"):
            call = db_call.statement(self._system, statement)
            token = otel_context.attach(otel_context.set_value(ANY, True))  # noqa: FBT003 - the key's value
            connection.info.setdefault(_KEY, []).append((call, token))

    def _after(self, connection: Connection, *_: object) -> None:
        with guarded("ending a statement"):
            _finish(connection, None)

    def _failed(self, context: Any) -> None:
        with guarded("recording a database error"):
            if context.connection is not None:
                _finish(context.connection, context.original_exception)

    def _returned(self, *_: object) -> None:
        with guarded("looking at a pool"):
            _tell(self._engine, on_its_way=1)


def _finish(connection: Connection, error: BaseException | None) -> None:
    running = connection.info.get(_KEY)
    if not running:  # an error before any statement
        return
    call, token = running.pop()
    otel_context.detach(token)
    if error is not None:
        call.failed(error)
    call.end()


def _system(engine: Engine) -> str:
    return _SYSTEMS.get(engine.dialect.name, engine.dialect.name)


def _name(engine: Engine) -> str:
    url = engine.url
    place = f"{url.host}:{url.port}" if url.port else url.host or "localhost"
    return f"{place}/{url.database or ''}"


def _tell(engine: Engine, on_its_way: int = 0) -> None:
    """How the engine's pool stands; ``on_its_way`` connections are being returned to it."""
    of = engine.pool
    if not isinstance(of, QueuePool):  # the others keep no connections, or one
        return
    most = of.size() + max(of._max_overflow, 0)  # noqa: SLF001 - nothing public says it
    idle = min(of.checkedin() + on_its_way, of.size())
    pool.has(_name(engine), idle=idle, used=max(of.checkedout() - on_its_way, 0), most=most)
