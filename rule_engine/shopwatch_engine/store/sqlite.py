"""The store on SQLite: one file, one writer thread, every commit on the disk before it returns.

Write-ahead log with ``synchronous=FULL``: a commit survives the loss of power. One engine at a time:
a lock file beside the database says so.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any, Final, TypeVar

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, create_engine, delete, event, select
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from shopwatch_engine.exceptions import StoreBusy, StoreError, StoreFailed
from shopwatch_engine.model import (
    Action,
    Changes,
    Delivery,
    IncidentRecord,
    Snapshot,
)
from shopwatch_engine.store import records, sql
from shopwatch_engine.store.schema import ALERTS, DELIVERIES, INCIDENTS, RULE_HEALTH

_BUSY_TIMEOUT_S: Final = 2.0
_PASSING: Final = ("locked", "busy", "disk is full", "disk i/o error", "unable to open")
_T = TypeVar("_T")


def open_store(url: str, *, read_only: bool = False) -> SqliteStore:
    """The store that a URL names: ``sqlite:///PATH``.

    Raises:
        StoreFailed: not such a URL, not a database, or another engine has it.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise StoreFailed(f"store {url!r} is not a URL; write sqlite:///PATH") from None
    if parsed.get_backend_name() != "sqlite" or not parsed.database:
        shown = parsed.render_as_string(hide_password=True)
        raise StoreFailed(f"store {shown!r}: only sqlite:///PATH is known")
    return SqliteStore(Path(parsed.database), read_only=read_only)


class SqliteStore:
    """`Store` on one SQLite file.

    Args:
        path: the file; made, with its folder, when it is not there.
        read_only: only look: no lock, no migration, no write.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self._path = path
        self._lock = None if read_only else _locked(path)
        self._threads = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store")
        try:
            self._engine = _readable(path) if read_only else _writable(path)
        except BaseException:
            self._release()
            raise

    async def load(self) -> Snapshot:
        """Everything that was committed."""
        return await self._run(_load)

    async def commit(self, changes: Changes) -> None:
        """Write all of it in one transaction; durable when this returns."""
        await self._run(lambda connection: _write(connection, changes))

    async def claim(
        self, *, actions: Sequence[Action], now: float, lease_s: float, limit: int
    ) -> tuple[Delivery, ...]:
        """Take due deliveries, most severe first, then oldest."""
        return await self._run(lambda connection: _claim(connection, actions, now, lease_s, limit))

    async def settle(self, delivery: Delivery) -> None:
        """Write what became of a claimed delivery."""
        await self._run(lambda connection: _settle(connection, delivery))

    async def next_attempt_at(self, *, actions: Sequence[Action]) -> float | None:
        """When the next pending delivery of these actions is due."""
        return await self._run(lambda connection: connection.scalar(sql.next_attempt_at(actions)))

    async def incidents(self, *, limit: int = 100) -> tuple[IncidentRecord, ...]:
        """The newest incidents with their deliveries."""
        return await self._run(lambda connection: _incidents(connection, limit))

    async def close(self) -> None:
        """Let go of the file, the thread and the lock."""
        await asyncio.get_running_loop().run_in_executor(self._threads, self._engine.dispose)
        self._release()

    async def _run(self, work: Callable[[Connection], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._transact, work)

    def _transact(self, work: Callable[[Connection], _T]) -> _T:
        try:
            with self._engine.begin() as connection:
                return work(connection)
        except (DBAPIError, sqlite3.Error, OSError) as error:
            raise _translated(self._path, error) from error

    def _release(self) -> None:
        self._threads.shutdown(wait=False)
        if self._lock is not None:
            self._lock.close()


def _locked(path: Path) -> IO[str]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.with_name(f"{path.name}.lock").open("a+", encoding="utf-8")
    except OSError as error:
        raise StoreFailed(
            f"store {path}: {error.strerror}; give --store a place that can be written"
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.seek(0)
        holder = lock.read().strip() or "unknown"
        lock.close()
        raise StoreFailed(
            f"store {path} is in use by another engine (process {holder}); "
            "stop that one or give --store another file"
        ) from None
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock


def _writable(path: Path) -> Engine:
    engine = _engine(f"sqlite:///{path}", "PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL")
    try:
        with engine.begin() as connection:
            _migrate(connection)
            connection.execute(sql.release_claims())
    except (DBAPIError, sqlite3.Error) as error:
        engine.dispose()
        raise StoreFailed(
            f"store {path} cannot be opened: {_reason(error)}; move it away or give --store another file"
        ) from error
    return engine


def _readable(path: Path) -> Engine:
    if not path.is_file():
        raise StoreFailed(f"store {path} is not there; give --store the file that `shopwatch run` writes")
    return _engine(f"sqlite:///file:{path}?mode=ro&uri=true")


def _engine(url: str, *pragmas: str) -> Engine:
    engine = create_engine(url, connect_args={"timeout": _BUSY_TIMEOUT_S})

    @event.listens_for(engine, "connect")
    def _connected(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves: the driver's guesses break DDL
        for pragma in pragmas:
            connection.execute(pragma)

    @event.listens_for(engine, "begin")
    def _begun(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if pragmas else "BEGIN")

    return engine


def _migrate(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", "shopwatch_engine.store:migrations")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _load(connection: Connection) -> Snapshot:
    rows = {table: connection.execute(select(table)).mappings().all() for table in (ALERTS, RULE_HEALTH)}
    incidents = connection.execute(sql.latest_incidents()).mappings().all()
    return Snapshot(
        alerts=tuple(records.alert_of(row) for row in rows[ALERTS]),
        health=tuple(records.health_of(row) for row in rows[RULE_HEALTH]),
        incidents=tuple(records.incident_of(row) for row in incidents),
    )


def _write(connection: Connection, changes: Changes) -> None:
    for rule_id, labels in changes.forgotten:
        mine = (ALERTS.c.rule_id == rule_id) & (ALERTS.c.fingerprint == labels.fingerprint)
        connection.execute(delete(ALERTS).where(mine))
    _replace(connection, ALERTS, [records.alert_row(one) for one in changes.alerts])
    _replace(connection, RULE_HEALTH, [records.health_row(one) for one in changes.health])
    _replace(connection, INCIDENTS, [records.incident_row(one) for one in changes.incidents])
    if changes.deliveries:
        owed = insert(DELIVERIES).on_conflict_do_nothing(index_elements=["id"])
        connection.execute(owed, [records.delivery_row(one) for one in changes.deliveries])


def _replace(connection: Connection, table: Any, rows: list[dict[str, Any]]) -> None:  # noqa: ANN401 - a Table
    if rows:
        connection.execute(insert(table).prefix_with("OR REPLACE"), rows)


def _claim(
    connection: Connection, actions: Sequence[Action], now: float, lease_s: float, limit: int
) -> tuple[Delivery, ...]:
    connection.execute(sql.supersede(now))
    rows = connection.execute(sql.claimable(actions, now, limit)).mappings().all()
    if rows:
        connection.execute(sql.claim([row["seq"] for row in rows], now + lease_s))
    return tuple(records.delivery_of(row) for row in rows)


def _settle(connection: Connection, delivery: Delivery) -> None:
    values = {
        "state": delivery.state.value,
        "attempts": delivery.attempts,
        "next_attempt_at": delivery.next_attempt_at,
        "settled_at": delivery.settled_at,
        "error": delivery.error,
    }
    connection.execute(sql.settle(delivery.id, values))


def _incidents(connection: Connection, limit: int) -> tuple[IncidentRecord, ...]:
    found = [records.incident_of(row) for row in connection.execute(sql.newest_incidents(limit)).mappings()]
    return tuple(
        IncidentRecord(
            incident=incident,
            deliveries=tuple(
                records.delivery_of(row)
                for row in connection.execute(
                    sql.deliveries_of(incident.dedup_key, incident.episode)
                ).mappings()
            ),
        )
        for incident in found
    )


def _translated(path: Path, error: Exception) -> StoreError:
    reason = _reason(error)
    if any(word in reason.lower() for word in _PASSING):
        return StoreBusy(f"store {path}: {reason}")
    return StoreFailed(f"store {path}: {reason}")


def _reason(error: Exception) -> str:
    return str(error.orig) if isinstance(error, DBAPIError) else str(error)
