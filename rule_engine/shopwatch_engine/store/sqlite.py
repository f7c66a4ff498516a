"""The store on SQLite: one file, one writer thread, every commit on the disk before it returns.

Write-ahead log with ``synchronous=FULL``: a commit survives the loss of power. What is asked while a
transaction is under way shares the next one, so that a storm costs few trips to the disk. One engine at a
time: a lock file beside the database says so.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import sqlite3
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any, Final, TypeVar
from urllib.parse import quote

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import URL, Connection, Engine, create_engine, delete, event, select
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from shopwatch_engine.exceptions import StoreBusy, StoreError, StoreFailed
from shopwatch_engine.model import (
    Action,
    Changes,
    Delivery,
    Incident,
    IncidentRecord,
    Snapshot,
)
from shopwatch_engine.store import records, sql
from shopwatch_engine.store.schema import ALERTS, DELIVERIES, INCIDENTS, RULE_HEALTH

BUSY_TIMEOUT_S: Final = 2.0
_PASSING: Final = ("locked", "busy", "disk is full", "disk i/o error", "unable to open")
_T = TypeVar("_T")
_Work = Callable[[Connection], Any]


def open_store(url: str, *, read_only: bool = False) -> SqliteStore:
    """The store that a URL names: ``sqlite:///PATH``.

    Raises:
        StoreFailed: not such a URL, not a database, or another engine has it.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise StoreFailed(f"store {url!r} is not a URL; write sqlite:///PATH") from None
    if parsed.get_backend_name() != "sqlite" or parsed.database in {None, "", ":memory:"}:
        shown = parsed.render_as_string(hide_password=True)
        raise StoreFailed(f"store {shown!r}: only sqlite:///PATH is known")
    return SqliteStore(Path(str(parsed.database)), read_only=read_only)


class SqliteStore:
    """`Store` on one SQLite file.

    Args:
        path: the file; made, with its folder, when it is not there.
        read_only: only look: no lock, no migration, no write.
        busy_timeout_s: how long a call waits for somebody else's lock on the file.
    """

    def __init__(
        self, path: Path, *, read_only: bool = False, busy_timeout_s: float = BUSY_TIMEOUT_S
    ) -> None:
        self._path = path
        self._lock = None if read_only else _locked(path)
        self._threads = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store")
        self._waiting: list[tuple[_Work, asyncio.Future[Any]]] = []
        self._writing: asyncio.Task[None] | None = None
        self._closed = False
        try:
            opened = _readable if read_only else _writable
            self._engine = opened(path, busy_timeout_s)
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
        self,
        *,
        actions: Sequence[Action],
        now: float,
        lease_s: float,
        limit: int,
        without: Collection[str] = (),
    ) -> tuple[Delivery, ...]:
        """Take due deliveries, most severe first, then oldest."""
        wanted = {**_wanted(actions, without), "now": now, "limit": limit}
        return await self._run(lambda connection: _claim(connection, wanted, now, now + lease_s))

    async def settle(self, delivery: Delivery) -> None:
        """Write what became of a claimed delivery."""
        await self._run(lambda connection: _settle(connection, delivery))

    async def next_attempt_at(
        self, *, actions: Sequence[Action], without: Collection[str] = ()
    ) -> float | None:
        """When the next pending delivery of these actions is due."""
        wanted = _wanted(actions, without)
        return await self._run(lambda connection: connection.scalar(sql.NEXT_ATTEMPT_AT, wanted))

    async def incidents(self, *, limit: int = 100) -> tuple[IncidentRecord, ...]:
        """The newest incidents with their deliveries."""
        return await self._run(lambda connection: _incidents(connection, limit))

    async def prune(self, *, before: float) -> int:
        """Forget incidents that were resolved before a time, and their deliveries; how many incidents."""
        return await self._run(lambda connection: _prune(connection, before))

    async def close(self) -> None:
        """Let go of the file, the thread and the lock, once what was asked before is done."""
        self._closed = True
        if self._writing is not None:
            await asyncio.wait({self._writing})
        await asyncio.get_running_loop().run_in_executor(self._threads, self._engine.dispose)
        self._release()

    async def _run(self, work: Callable[[Connection], _T]) -> _T:
        if self._closed:
            raise StoreFailed(f"store {self._path} is closed")
        done: asyncio.Future[_T] = asyncio.get_running_loop().create_future()
        self._waiting.append((work, done))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_all())
        return await done

    async def _write_all(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            batch, self._waiting = self._waiting, []
            results = await loop.run_in_executor(self._threads, self._transact, [work for work, _ in batch])
            for (_, done), result in zip(batch, results, strict=True):
                if done.cancelled():
                    continue
                if isinstance(result, Exception):
                    done.set_exception(result)
                else:
                    done.set_result(result)

    def _transact(self, works: Sequence[_Work]) -> list[Any]:
        """Do all of it in one transaction; if that fails, each in its own, so that none spoils another.

        Savepoints would not do: on a full disk SQLite undoes the whole transaction, savepoints included.
        """
        begun = False
        try:
            with self._engine.begin() as connection:
                begun = True
                return [work(connection) for work in works]
        except (DBAPIError, sqlite3.Error, OSError) as error:
            failure: Exception = _translated(self._path, error)
        except Exception as error:  # noqa: BLE001 - whoever asked is told
            failure = error
        if begun and len(works) > 1:
            return [self._transact([work])[0] for work in works]
        return [failure] * len(works)

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


def _writable(path: Path, busy_timeout_s: float) -> Engine:
    url = URL.create("sqlite", database=str(path))
    engine = _engine(url, busy_timeout_s, "PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL")
    try:
        with engine.begin() as connection:
            _migrate(connection)
            connection.execute(sql.RELEASE_CLAIMS)
    except (DBAPIError, sqlite3.Error, CommandError) as error:
        engine.dispose()
        raise StoreFailed(f"store {path} cannot be opened: {_reason(error)}; {_remedy(error)}") from error
    return engine


def _remedy(error: Exception) -> str:
    if isinstance(error, CommandError):
        return "another version of shopwatch wrote it: run that one, or give --store another file"
    if _passes(error):
        return "free the disk or end what holds it, then start again"
    return "move it away or give --store another file"


def _readable(path: Path, busy_timeout_s: float) -> Engine:
    if not path.is_file():
        raise StoreFailed(f"store {path} is not there; give --store the file that `shopwatch run` writes")
    query = {"mode": "ro", "uri": "true"}
    return _engine(URL.create("sqlite", database=f"file:{quote(str(path))}", query=query), busy_timeout_s)


def _engine(url: URL, busy_timeout_s: float, *pragmas: str) -> Engine:
    engine = create_engine(url, connect_args={"timeout": busy_timeout_s})

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
    incidents = connection.execute(sql.LATEST_INCIDENTS).mappings().all()
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


def _wanted(actions: Sequence[Action], without: Collection[str]) -> dict[str, Any]:
    return {"actions": [action.value for action in actions], "without": list(without)}


def _claim(connection: Connection, wanted: dict[str, Any], now: float, until: float) -> tuple[Delivery, ...]:
    connection.execute(sql.SUPERSEDE, {"now": now})
    rows = connection.execute(sql.CLAIMABLE, wanted).mappings().all()
    if rows:
        connection.execute(sql.CLAIM, {"seqs": [row["seq"] for row in rows], "until": until})
    return tuple(records.delivery_of(row) for row in rows)


def _settle(connection: Connection, delivery: Delivery) -> None:
    connection.execute(sql.SETTLE, {"delivery": delivery.id, **records.settled_values(delivery)})


def _prune(connection: Connection, before: float) -> int:
    connection.execute(sql.PRUNE_DELIVERIES, {"before": before})
    return connection.execute(sql.PRUNE_INCIDENTS, {"before": before}).rowcount


def _incidents(connection: Connection, limit: int) -> tuple[IncidentRecord, ...]:
    rows = connection.execute(sql.NEWEST_INCIDENTS, {"limit": limit}).mappings().all()
    return tuple(_record(connection, records.incident_of(row)) for row in rows)


def _record(connection: Connection, incident: Incident) -> IncidentRecord:
    wanted = {"key": incident.dedup_key, "number": incident.episode}
    rows = connection.execute(sql.DELIVERIES_OF_INCIDENT, wanted).mappings()
    return IncidentRecord(incident=incident, deliveries=tuple(records.delivery_of(row) for row in rows))


def _translated(path: Path, error: Exception) -> StoreError:
    kind = StoreBusy if _passes(error) else StoreFailed
    return kind(f"store {path}: {_reason(error)}")


def _passes(error: Exception) -> bool:
    reason = _reason(error).lower()
    return any(word in reason for word in _PASSING)


def _reason(error: Exception) -> str:
    return str(error.orig) if isinstance(error, DBAPIError) else str(error)
