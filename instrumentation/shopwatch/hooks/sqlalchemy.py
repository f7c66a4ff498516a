"""SQLAlchemy: every statement is timed, and a database that cannot be reached is counted."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from types import MappingProxyType
from typing import Final

from opentelemetry.trace import SpanKind
from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine import ExceptionContext

from shopwatch import catalogue
from shopwatch.hooks.operation import Operation, begin, guarded

CONNECT: Final = "CONNECT"
"""``db.operation.name`` of an attempt to connect that failed."""

_QUERIES: Final = ("SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "WITH", "CALL")
_DEFINITIONS: Final = ("CREATE", "ALTER", "DROP", "TRUNCATE", "PRAGMA")
_OPERATIONS: Final = frozenset(_QUERIES + _DEFINITIONS)
_SYSTEMS: Final[Mapping[str, str]] = MappingProxyType(
    {"mssql": "microsoft.sql_server", "oracle": "oracle.db"}  # other dialects bear the convention's name
)
_KEY: Final = "shopwatch.operation"
_connecting: ContextVar[Operation | None] = ContextVar("shopwatch_connecting", default=None)


def instrument_engine(engine: Engine) -> None:
    """Watch every statement of an engine.

    Makes a CLIENT span and records ``db.client.operation.duration`` by the statement's first word; what
    the statement says is not recorded, since it may hold customers' data. ``error.type`` is the driver's
    exception. A failed attempt to connect is recorded as operation ``CONNECT``.

    Args:
        engine: the engine, of an asynchronous one its ``sync_engine``; call this once for each.
    """
    hook = _Hook(_SYSTEMS.get(engine.dialect.name, engine.dialect.name))
    event.listen(engine, "before_cursor_execute", hook.before)
    event.listen(engine, "after_cursor_execute", hook.after)
    event.listen(engine, "do_connect", hook.connecting)
    event.listen(engine, "connect", hook.connected)
    event.listen(engine, "handle_error", hook.failed)


class _Hook:
    """Listens to one engine."""

    def __init__(self, system: str) -> None:
        self._system = system

    def _begin(self, name: str) -> Operation:
        attributes = {catalogue.DB_SYSTEM: self._system, catalogue.DB_OPERATION: name}
        return begin(catalogue.DB_CLIENT_DURATION, f"{name} {self._system}", SpanKind.CLIENT, attributes)

    def before(self, connection: Connection, _cursor: object, statement: str, *_: object) -> None:
        """A statement is about to run."""
        with guarded("beginning a statement"):
            connection.info.setdefault(_KEY, []).append(self._begin(_operation(statement)))

    def after(self, connection: Connection, *_: object) -> None:
        """It went well."""
        with guarded("ending a statement"):
            connection.info[_KEY].pop().end()

    def connecting(self, *_: object) -> None:
        """A connection is about to be made."""
        _connecting.set(self._begin(CONNECT))

    def connected(self, *_: object) -> None:
        """It was; only failed attempts are recorded, since a pool makes the others rare."""
        _connecting.set(None)

    def failed(self, context: ExceptionContext) -> None:
        """A statement or an attempt to connect failed."""
        with guarded("recording a database error"):
            operation = _take(context)
            if operation is not None:
                operation.failed(context.original_exception)
                operation.end()


def _take(context: ExceptionContext) -> Operation | None:
    """The operation that failed; none when the error came from neither a statement nor a connect."""
    if context.connection is None:
        operation = _connecting.get()
        _connecting.set(None)
        return operation
    running = context.connection.info.get(_KEY)
    return running.pop() if running else None


def _operation(statement: str) -> str:
    words = statement.split(None, 1)
    word = words[0].upper() if words else ""
    return word if word in _OPERATIONS else catalogue.OTHER
