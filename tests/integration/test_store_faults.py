"""SQLite as it is when things go wrong: locked, full, no database, taken, killed in the middle."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from prometheus_client import CollectorRegistry
from sqlalchemy import event

import store_writer
from alert_values import alert, delivery, incident
from shopwatch_engine.exceptions import StoreBusy, StoreFailed
from shopwatch_engine.metrics import EngineMetrics
from shopwatch_engine.model import Action, Changes, Snapshot
from shopwatch_engine.patience import Patience
from shopwatch_engine.store import SqliteStore, open_store

BUSY_TIMEOUT_S = 0.2
ONE = Changes(alerts=(alert(),), incidents=(incident(),), deliveries=(delivery(),))
BIG = Changes(
    alerts=tuple(replace(alert(f"Alert{n}"), expr="x" * 4000) for n in range(200)),
    incidents=(incident(),),
    deliveries=(delivery(),),
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "shopwatch.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SqliteStore]:
    opened = SqliteStore(path, busy_timeout_s=BUSY_TIMEOUT_S)
    yield opened
    await opened.close()


@contextmanager
def write_lock(path: Path) -> Iterator[sqlite3.Connection]:
    """Somebody else's transaction on the file."""
    with closing(sqlite3.connect(path, isolation_level=None, timeout=5, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield other
        if other.in_transaction:
            other.execute("ROLLBACK")


# ---------------------------------------------------------------- locked
CALLS: dict[str, Callable[[SqliteStore], Any]] = {
    "commit": lambda store: store.commit(ONE),
    "claim": lambda store: store.claim(actions=tuple(Action), now=1e9, lease_s=60.0, limit=10),
    "settle": lambda store: store.settle(delivery()),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
async def test_a_locked_store_is_busy_after_its_timeout(
    store: SqliteStore, path: Path, call: Callable[[SqliteStore], Any]
) -> None:
    with write_lock(path):
        begun = time.monotonic()
        with pytest.raises(StoreBusy, match=r"shopwatch\.db: database is locked"):
            await call(store)
        assert time.monotonic() - begun >= BUSY_TIMEOUT_S * 0.9
    assert await store.load() == Snapshot()
    await call(store)


async def test_patience_sees_a_commit_through_a_lock_with_nothing_lost(
    store: SqliteStore, path: Path
) -> None:
    patience = Patience(EngineMetrics(CollectorRegistry()), pause_s=0.05, give_up_s=30.0)
    with write_lock(path) as other:
        commits = [
            asyncio.create_task(patience(lambda one=one: store.commit(one)))
            for one in (store_writer.numbered(n) for n in range(3))
        ]
        with pytest.raises(StoreBusy):
            await store.load()
        other.execute("ROLLBACK")
    await asyncio.gather(*commits)
    assert {one.title for one in (await store.load()).incidents} == {"0", "1", "2"}


async def test_patience_ends_with_a_clear_stop(store: SqliteStore, path: Path) -> None:
    patience = Patience(EngineMetrics(CollectorRegistry()), pause_s=0.05, give_up_s=1.0)
    with write_lock(path):
        begun = time.monotonic()
        with pytest.raises(StoreFailed, match=r"database is locked; still so after 1 s.*nothing lost.*free"):
            await patience(lambda: store.commit(ONE))
        assert 0.9 <= time.monotonic() - begun < 20.0
    assert await store.load() == Snapshot()


async def test_readers_do_not_lock_the_engine_out(store: SqliteStore, path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM alerts").fetchall()
        await store.commit(ONE)
        assert reader.execute("SELECT count(*) FROM alerts").fetchone() == (0,)
    assert (await store.load()).alerts == (alert(),)


def test_a_store_that_is_locked_at_the_start_says_so(path: Path) -> None:
    SqliteStore(path)._release()
    with write_lock(path), pytest.raises(StoreFailed, match=r"database is locked; .*end what holds it"):
        SqliteStore(path, busy_timeout_s=0.05)


# ---------------------------------------------------------------- not usable
def not_a_database(path: Path) -> None:
    path.write_bytes(b"Dear diary, " * 1000)


def a_folder(path: Path) -> None:
    path.mkdir()


def newer_version(path: Path) -> None:
    SqliteStore(path)._release()
    with closing(sqlite3.connect(path)) as other:
        other.execute("UPDATE alembic_version SET version_num = '9999'")
        other.commit()


UNUSABLE = {
    "not a database": (not_a_database, "file is not a database; move it away"),
    "a folder": (a_folder, "unable to open database file"),
    "written by a newer version": (newer_version, "9999.*another version of shopwatch wrote it"),
}


@pytest.mark.parametrize(("spoil", "said"), UNUSABLE.values(), ids=UNUSABLE)
def test_what_cannot_be_a_store_is_refused_clearly(
    path: Path, spoil: Callable[[Path], None], said: str
) -> None:
    spoil(path)
    with pytest.raises(StoreFailed, match=said) as refused:
        SqliteStore(path, busy_timeout_s=0.05)
    assert str(path) in str(refused.value)


def test_a_refused_store_is_left_as_it_was(path: Path) -> None:
    not_a_database(path)
    before = path.read_bytes()
    with pytest.raises(StoreFailed):
        SqliteStore(path)
    assert path.read_bytes() == before
    path.unlink()
    SqliteStore(path)._release()  # and its lock is free again


def test_a_place_that_cannot_be_written_is_refused_clearly(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreFailed, match=r"file/below/shopwatch\.db: .*; give --store a place that can"):
        SqliteStore(tmp_path / "file" / "below" / "shopwatch.db")


URLS = {
    "no URL": ("shopwatch.db", r"'shopwatch\.db' is not a URL; write sqlite:///PATH"),
    "another database": ("postgresql://user:secret@db/x", r"user:\*\*\*@db/x.*only sqlite:///PATH"),
    "no path": ("sqlite://", "only sqlite:///PATH"),
    "memory, which forgets": ("sqlite:///:memory:", "only sqlite:///PATH"),
}


@pytest.mark.parametrize(("url", "said"), URLS.values(), ids=URLS)
def test_a_url_that_names_no_store(url: str, said: str) -> None:
    with pytest.raises(StoreFailed, match=said) as refused:
        open_store(url)
    assert "secret" not in str(refused.value)


async def test_two_engines_on_one_store(path: Path) -> None:
    store = SqliteStore(path)
    await store.commit(ONE)
    with pytest.raises(StoreFailed, match=rf"in use by another engine \(process {os.getpid()}\); stop that"):
        SqliteStore(path)
    assert (await store.load()).alerts == (alert(),)
    await store.close()
    second = SqliteStore(path)
    assert (await second.load()).alerts == (alert(),)
    await second.close()


# ---------------------------------------------------------------- to look at
@pytest.mark.parametrize("name", ["shopwatch.db", "a b.db", "100%25?.db", "ünï#1.db"])
async def test_one_may_look_while_the_engine_works_and_after(tmp_path: Path, name: str) -> None:
    engine = SqliteStore(tmp_path / name)
    await engine.commit(ONE)
    looker = SqliteStore(tmp_path / name, read_only=True)
    assert len(await looker.incidents()) == 1
    await engine.commit(Changes(incidents=(incident(dedup_key="key-2"),)))
    assert len(await looker.incidents()) == 2
    with pytest.raises(StoreFailed, match="readonly"):
        await looker.commit(ONE)
    await engine.close()
    assert len(await looker.incidents()) == 2
    await looker.close()
    later = SqliteStore(tmp_path / name, read_only=True)
    assert len(await later.incidents()) == 2
    await later.close()


def test_nothing_to_look_at(path: Path) -> None:
    with pytest.raises(StoreFailed, match="is not there; give --store"):
        SqliteStore(path, read_only=True)
    assert not path.exists()


# ---------------------------------------------------------------- full
@contextmanager
def disk_of(pages: int) -> Iterator[None]:
    """Every database that is opened meanwhile may have so many pages: what a full disk looks like."""

    def bound(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute(f"PRAGMA max_page_count = {pages}")

    event.listen(sqlalchemy.Engine, "connect", bound)
    try:
        yield
    finally:
        event.remove(sqlalchemy.Engine, "connect", bound)


async def test_a_full_disk_holds_commits_up_until_there_is_room(path: Path) -> None:
    await SqliteStore(path).close()
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE ballast (weight BLOB)")
        other.execute("INSERT INTO ballast VALUES (zeroblob(2000000))")
        other.commit()
        (pages,) = other.execute("PRAGMA page_count").fetchone()
        with disk_of(pages):
            store = SqliteStore(path, busy_timeout_s=BUSY_TIMEOUT_S)
            await store.commit(Changes())
        with pytest.raises(StoreBusy, match="full"):
            await store.commit(BIG)
        assert await store.load() == Snapshot()  # nothing of it, in any table
        assert await store.claim(actions=tuple(Action), now=1e9, lease_s=60.0, limit=10) == ()

        patience = Patience(EngineMetrics(CollectorRegistry()), pause_s=0.02, give_up_s=30.0)
        commit = asyncio.create_task(patience(lambda: store.commit(BIG)))
        with pytest.raises(StoreBusy, match="full"):
            await store.commit(BIG)
        assert not commit.done()
        other.execute("DROP TABLE ballast")
        other.commit()
        await commit
    found = await store.load()
    assert (len(found.alerts), found.incidents) == (200, (incident(),))
    assert await store.claim(actions=tuple(Action), now=1e9, lease_s=60.0, limit=10) == (delivery(),)
    await store.close()


async def test_on_a_full_disk_others_work_is_neither_lost_nor_claimed_to_be_done(path: Path) -> None:
    """Calls that wait together share a transaction; the disk is full for the big one alone."""
    await SqliteStore(path).close()
    with closing(sqlite3.connect(path)) as other:
        (pages,) = other.execute("PRAGMA page_count").fetchone()
    with disk_of(pages + 20):
        store = SqliteStore(path, busy_timeout_s=BUSY_TIMEOUT_S)
        await store.load()
    small = [store_writer.numbered(number) for number in range(3)]
    calls = [store.load(), *(store.commit(one) for one in (small[0], BIG, small[1], small[2]))]
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(one) for one in answers[1:]] == [type(None), StoreBusy, type(None), type(None)]
    assert {one.title for one in (await store.load()).incidents} == {"0", "1", "2"}
    assert len((await store.load()).alerts) == 3
    await store.close()


async def test_work_that_waits_when_the_store_is_closed_is_done_and_later_work_refused(path: Path) -> None:
    store = SqliteStore(path)
    commits = [asyncio.create_task(store.commit(store_writer.numbered(number))) for number in range(20)]
    await asyncio.sleep(0)
    await store.close()
    await asyncio.gather(*commits)
    with pytest.raises(StoreFailed, match=r"shopwatch\.db is closed"):
        await store.load()
    again = SqliteStore(path)
    assert len((await again.load()).incidents) == 20
    await again.close()


# ---------------------------------------------------------------- killed
def written_until_killed(path: Path, first: int, *, commits: int) -> int:
    """Let a process commit, kill it in the middle of it; the last number it told."""
    program = [sys.executable, store_writer.__file__, str(path), str(first)]
    environ = {**os.environ, "PYTHONPATH": str(Path(store_writer.__file__).parent)}
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True, env=environ) as writer:
        watchdog = threading.Timer(60.0, writer.kill)
        watchdog.start()
        assert writer.stdout is not None
        lines = []
        for line in writer.stdout:
            lines.append(line)
            if len(lines) == commits:
                os.kill(writer.pid, signal.SIGKILL)
        watchdog.cancel()
        assert writer.wait() == -signal.SIGKILL
    assert len(lines) >= commits
    return int(lines[-1])


async def test_sigkill_in_the_middle_of_commits_leaves_whole_transactions(path: Path) -> None:
    first = 0
    for commits in (1, 17, 40):
        told = written_until_killed(path, first, commits=commits)
        store = SqliteStore(path)
        found = await store.load()
        records = await store.incidents(limit=10_000)
        await store.close()
        count = len(found.incidents)
        assert told + 1 <= count <= told + 2  # one may be committed and not told
        numbers = range(count)
        assert {one.labels.get("alertname") for one in found.alerts} == {f"Alert{n}" for n in numbers}
        assert {one.rule_id for one in found.health} == {f"rule-{n}" for n in numbers}
        assert {one.title for one in found.incidents} == {str(n) for n in numbers}
        assert all(len(record.deliveries) == 2 for record in records)
        first = count
