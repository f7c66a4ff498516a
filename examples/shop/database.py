"""The database of a service: any that SQLAlchemy speaks to, SQLite in memory by default."""

from __future__ import annotations

import logging
import threading
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from sqlalchemy import Connection, Engine, MetaData, QueuePool, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from shop.settings import SettingsError

_LOG: Final = logging.getLogger(__name__)
_LOST_TABLE: Final = "SELECT 1 FROM a_table_that_the_database_has_lost"


def open_database(url: str, tables: MetaData) -> Engine:
    """An engine on a database, its tables made when they are not there.

    Raises:
        SettingsError: no database can be had at this URL.
    """
    try:
        engine = create_engine(url, hide_parameters=True, pool_pre_ping=True, **_pool(url))
        tables.create_all(engine)
    except (ArgumentError, NoSuchModuleError, SQLAlchemyError, ModuleNotFoundError) as error:
        raise SettingsError(
            f"SHOP_DATABASE_URL: {_scheme(url)}: cannot be used ({type(error).__name__}); expected a "
            "SQLAlchemy URL whose driver is installed, such as sqlite:///orders.db"
        ) from error
    return engine


def can_answer(engine: Engine) -> bool:
    """Whether the database answers, for ``/readyz``."""
    with engine.connect() as connection:
        return bool(connection.execute(text("SELECT 1")).scalar())


def fail_while(engine: Engine, broken: threading.Event) -> None:
    """Make every statement fail in the database itself while the event is set."""

    def lose_the_table(
        _connection: Connection,
        _cursor: object,
        statement: str,
        parameters: Any,  # noqa: ANN401 - as many kinds as there are drivers
        *_: object,
    ) -> tuple[str, Any]:
        return (_LOST_TABLE, ()) if broken.is_set() else (statement, parameters)

    event.listen(engine, "before_cursor_execute", lose_the_table, retval=True)


def answer_database_errors(app: FastAPI) -> None:
    """Answer 503 when the database failed, and log it within the request's trace."""

    async def unavailable(_request: Request, error: Exception) -> JSONResponse:
        _LOG.error("the database failed", exc_info=error)
        return JSONResponse({"detail": "the database failed; try again later"}, status_code=503)

    app.add_exception_handler(SQLAlchemyError, unavailable)


def _pool(url: str) -> dict[str, Any]:
    """In memory, all threads must share the one connection: each takes its turn."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        return {}  # create_engine says the same, where it is answered
    if parsed.get_backend_name() != "sqlite" or parsed.database not in (None, "", ":memory:"):
        return {}
    shared = {"check_same_thread": False}
    return {"poolclass": QueuePool, "pool_size": 1, "max_overflow": 0, "connect_args": shared}


def _scheme(url: str) -> str:
    """What may be shown of a URL that may hold a password."""
    return f"{url.partition('://')[0]}://..." if "://" in url else "no URL"
