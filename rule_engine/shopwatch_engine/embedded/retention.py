"""Forgetting: by age, and by the size of the file, the oldest rows first."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Final

_TABLES: Final = ("logs", "spans")
_CHUNK: Final = 5_000
_FREED_PAGES: Final = 4_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How much is kept. Age counts from when a row came in: a sender's clock may be wrong.

    Defaults: a day, for evidence is asked for within minutes; a gibibyte, about two million log lines.
    """

    max_age_s: float = 86_400.0
    max_bytes: int = 1024 * 1024 * 1024


def forget(db: sqlite3.Connection, retention: Retention, *, now: float) -> int:
    """Delete what is too old or too much, give the space back, and say how many rows went."""
    gone = sum(_forget_old(db, table, now - retention.max_age_s) for table in _TABLES)
    while used_bytes(db) > retention.max_bytes:
        step = sum(_forget_oldest(db, table) for table in _TABLES)
        gone += step
        if not step:
            break
    if gone:
        db.execute(f"PRAGMA incremental_vacuum({_FREED_PAGES})").fetchall()
    return gone


def used_bytes(db: sqlite3.Connection) -> int:
    """Bytes of the file that hold something."""
    (pages,), (free,), (size,) = (
        db.execute(f"PRAGMA {name}").fetchone() for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)


def _forget_old(db: sqlite3.Connection, table: str, before: float) -> int:
    """Ids grow with time, so what is old stands at the start: go on until a chunk holds younger rows."""
    delete = (
        f"DELETE FROM {table} WHERE received_at < ? AND id IN "  # noqa: S608 - a constant's name
        f"(SELECT id FROM {table} ORDER BY id LIMIT {_CHUNK})"
    )
    gone = 0
    while True:
        with db:
            removed = db.execute(delete, (before,)).rowcount
        gone += removed
        if removed < _CHUNK:
            return gone


def _forget_oldest(db: sqlite3.Connection, table: str) -> int:
    """A tenth of a table, but a chunk at most, so that small limits are not overshot by much."""
    with db:
        (first, last) = db.execute(f"SELECT min(id), max(id) FROM {table}").fetchone()  # noqa: S608 - as above
        if first is None:
            return 0
        up_to = first + min((last - first) // 10, _CHUNK)
        return db.execute(f"DELETE FROM {table} WHERE id <= ?", (up_to,)).rowcount  # noqa: S608 - as above
