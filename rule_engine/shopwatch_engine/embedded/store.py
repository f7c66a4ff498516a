"""The collector's SQLite file: one writer thread, a bounded queue before it, many rows a transaction.

Whoever offers rows is told when they are written, so that an exporter hears "taken" only of what is
kept. Write-ahead log, ``synchronous=NORMAL``: a crash of the process loses nothing that was written; a
power cut may lose the last moments, which telemetry can bear.
"""

from __future__ import annotations

import logging
import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from shopwatch_engine.clock import Clock
from shopwatch_engine.embedded.records import Records
from shopwatch_engine.embedded.retention import Retention, forget
from shopwatch_engine.exceptions import StoreBusy, StoreError, StoreFailed
from shopwatch_engine.sources.embedded_schema import DDL, INSERT_LOG, INSERT_SPAN, VERSION

LOG = logging.getLogger(__name__)
_BUSY_S: Final = 5.0
_FORGET_EVERY_S: Final = 30.0
_FORGET_EVERY_ROWS: Final = 20_000
_ROWS_A_TRANSACTION: Final = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What became of the records that were offered, since the start."""

    logs: int = 0
    spans: int = 0
    refused: int = 0  # the queue was full: the sender was told to come again
    failed: int = 0  # not written: the sender was told to come again
    forgotten: int = 0  # deleted by age or size


@dataclass(frozen=True, slots=True)
class _Offer:
    records: Records
    done: Future[None]


class TelemetryStore:
    """Writes records; reading is ``sources.embedded``'s.

    Args:
        path: the file; made when it is not there, and its folder too.
        clock: tells how old rows are.
        retention: how much is kept.
        queue_records: how many records may wait for the writer; more are refused.

    Raises:
        StoreFailed: the file cannot be opened, or is another program's, or of another version.
    """

    def __init__(
        self, path: Path, *, clock: Clock, retention: Retention | None = None, queue_records: int = 50_000
    ) -> None:
        self.path = path
        self._clock = clock
        self._retention = retention or Retention()
        self._queue_records = queue_records
        self._offers: queue.SimpleQueue[_Offer | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._waiting = 0
        self._closed = False
        self._counts = Counts()
        self._rows_since_forget = 0
        self._forget_at = 0.0
        self._db = _opened(path)
        self._writer = threading.Thread(
            target=self._write_all, name="shopwatch-collector-writer", daemon=True
        )
        self._writer.start()

    @property
    def counts(self) -> Counts:
        """What became of the records so far."""
        with self._lock:
            return self._counts

    @property
    def alive(self) -> bool:
        """Whether the writer runs."""
        return self._writer.is_alive()

    def offer(self, records: Records) -> Future[None]:
        """Hand over records; the future is done when they are written, and raises StoreBusy if not.

        Never waits: with a full queue, or a closed store, the future has failed already.
        """
        done: Future[None] = Future()
        with self._lock:
            # A request larger than the whole queue is taken by an empty one, or it never would be.
            full = self._waiting > 0 and self._waiting + len(records) > self._queue_records
            if not (full or self._closed):
                self._waiting += len(records)
                self._offers.put(_Offer(records, done))
                return done
            self._count(refused=len(records))
        done.set_exception(
            StoreBusy("the collector's queue is full" if full else "the collector is stopping")
        )
        return done

    def close(self) -> None:
        """Write what waits, then let go of the file. May be called twice."""
        with self._lock:
            closed, self._closed = self._closed, True
            if not closed:
                self._offers.put(None)
        self._writer.join()

    def _write_all(self) -> None:
        """The writer thread: ends when the store is closed and nothing waits, and by nothing else."""
        while (first := self._offers.get()) is not None:
            offers, last = self._gathered(first)
            self._write(offers)
            self._forget_sometimes()
            if last:
                break
        self._db.close()

    def _gathered(self, first: _Offer) -> tuple[list[_Offer], bool]:
        """All that waits, up to a transaction's fill; and whether the end is among it."""
        offers, rows = [first], len(first.records)
        while rows < _ROWS_A_TRANSACTION:
            try:
                offer = self._offers.get_nowait()
            except queue.Empty:
                break
            if offer is None:
                return offers, True
            offers.append(offer)
            rows += len(offer.records)
        return offers, False

    def _write(self, offers: list[_Offer]) -> None:
        logs = [row for offer in offers for row in offer.records.logs]
        spans = [row for offer in offers for row in offer.records.spans]
        error = self._tried(lambda: self._insert(logs, spans))
        with self._lock:
            self._waiting -= len(logs) + len(spans)
            if error is None:
                self._count(logs=len(logs), spans=len(spans))
            else:
                self._count(failed=len(logs) + len(spans))
        self._rows_since_forget += len(logs) + len(spans)
        for offer in offers:
            _settle(offer.done, error)

    def _insert(self, logs: list[tuple[object, ...]], spans: list[tuple[object, ...]]) -> None:
        with self._db:
            self._db.executemany(INSERT_LOG, logs)
            self._db.executemany(INSERT_SPAN, spans)

    def _forget_sometimes(self) -> None:
        now = self._clock.now()
        if self._rows_since_forget < _FORGET_EVERY_ROWS and now < self._forget_at:
            return
        self._rows_since_forget, self._forget_at = 0, now + _FORGET_EVERY_S
        self._tried(lambda: self._forget(now))

    def _forget(self, now: float) -> None:
        gone = forget(self._db, self._retention, now=now)
        with self._lock:
            self._count(forgotten=gone)

    def _tried(self, act: Callable[[], None]) -> StoreError | None:
        """What went wrong, if anything: the writer must outlive a full disk and a locked file."""
        try:
            act()
        except (sqlite3.Error, OverflowError, UnicodeError) as error:
            LOG.warning("%s: %s", self.path.name, error)
            return StoreBusy(f"{self.path.name}: {error}")
        return None

    def _count(self, **more: int) -> None:
        """Add to the counts; the lock is held."""
        before = self._counts
        self._counts = Counts(
            logs=before.logs + more.get("logs", 0),
            spans=before.spans + more.get("spans", 0),
            refused=before.refused + more.get("refused", 0),
            failed=before.failed + more.get("failed", 0),
            forgotten=before.forgotten + more.get("forgotten", 0),
        )


def _settle(done: Future[None], error: StoreError | None) -> None:
    # A sender that hung up has cancelled its future; whoever sets a cancelled one is at fault.
    if not done.set_running_or_notify_cancel():
        return
    if error is None:
        done.set_result(None)
    else:
        done.set_exception(error)


def _opened(path: Path) -> sqlite3.Connection:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        db = sqlite3.connect(path, timeout=_BUSY_S, check_same_thread=False)
    except (OSError, sqlite3.Error) as error:
        raise StoreFailed(
            f"{path} cannot be opened ({error}); name a file in a folder that can be written"
        ) from error
    try:
        _prepare(db, path)
    except sqlite3.Error as error:
        db.close()
        raise StoreFailed(
            f"{path} cannot be used ({error}); name another file, or remove this one"
        ) from error
    except StoreFailed:
        db.close()
        raise
    return db


def _prepare(db: sqlite3.Connection, path: Path) -> None:
    (version,) = db.execute("PRAGMA user_version").fetchone()
    (tables,) = db.execute("SELECT count(*) FROM sqlite_master WHERE type = 'table'").fetchone()
    if version != VERSION and tables:
        raise StoreFailed(
            f"{path} is not the collector's, or of another version; name another file, or remove it"
        )
    db.execute("PRAGMA auto_vacuum = INCREMENTAL")  # before the first table, or never
    db.execute("PRAGMA journal_mode = WAL").fetchone()
    db.execute("PRAGMA synchronous = NORMAL")
    db.execute("PRAGMA journal_size_limit = 67108864")
    with db:
        for statement in DDL:
            db.execute(statement)
        db.execute(f"PRAGMA user_version = {VERSION}")
