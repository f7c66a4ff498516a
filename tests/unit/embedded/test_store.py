from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from shopwatch_engine.embedded import Retention, TelemetryStore
from shopwatch_engine.embedded.records import Records
from shopwatch_engine.exceptions import StoreBusy, StoreFailed

T0 = 1_700_000_000.0


class HandClock:
    def __init__(self) -> None:
        self.at = T0

    def now(self) -> float:
        return self.at


def log_rows(count: int, *, received_at: float = T0, body: str = "x") -> Records:
    return Records(logs=tuple((received_at, int(T0), "orders", 17, "", body) for _ in range(count)))


def span_rows(count: int, *, first: int = 0) -> Records:
    return Records(
        spans=tuple(
            (T0, f"{first + number:032x}", f"{1:016x}", "", "orders", "GET", "server", 1, 2, 0, "", "{}")
            for number in range(count)
        )
    )


def rows(path: Path, table: str) -> int:
    with closing(sqlite3.connect(path)) as db:
        (count,) = db.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608 - a constant's name
        return int(count)


def test_what_is_written_is_there_when_the_future_is_done(tmp_path: Path) -> None:
    store = TelemetryStore(tmp_path / "new" / "t.db", clock=HandClock())
    store.offer(log_rows(3)).result(10)
    store.offer(span_rows(2)).result(10)
    assert (rows(store.path, "logs"), rows(store.path, "spans")) == (3, 2)
    assert (store.counts.logs, store.counts.spans) == (3, 2)
    store.close()
    store.close()


def test_it_opens_again_with_all_that_it_had(tmp_path: Path) -> None:
    for _ in range(2):
        store = TelemetryStore(tmp_path / "t.db", clock=HandClock())
        store.offer(log_rows(3)).result(10)
        store.close()
    assert rows(tmp_path / "t.db", "logs") == 6


def test_spans_that_are_sent_twice_are_kept_once(tmp_path: Path) -> None:
    store = TelemetryStore(tmp_path / "t.db", clock=HandClock())
    for _ in range(2):
        store.offer(span_rows(5)).result(10)
    assert rows(store.path, "spans") == 5
    store.close()


def test_a_full_queue_refuses_and_says_so_and_recovers(tmp_path: Path) -> None:
    store = TelemetryStore(tmp_path / "t.db", clock=HandClock(), queue_records=10)
    with closing(sqlite3.connect(store.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")  # the writer waits for this lock
        first = store.offer(log_rows(10))
        refused = store.offer(log_rows(1))
        with pytest.raises(StoreBusy, match="queue is full"):
            refused.result(0)
        other.execute("ROLLBACK")
        first.result(10)
    store.offer(log_rows(1)).result(10)
    assert rows(store.path, "logs") == 11
    assert store.counts.refused == 1
    store.close()


def test_more_than_the_whole_queue_is_taken_when_nothing_waits(tmp_path: Path) -> None:
    store = TelemetryStore(tmp_path / "t.db", clock=HandClock(), queue_records=10)
    store.offer(log_rows(50)).result(10)
    assert rows(store.path, "logs") == 50
    store.close()


def test_what_waits_is_written_before_it_closes_and_nothing_is_taken_after(tmp_path: Path) -> None:
    store = TelemetryStore(tmp_path / "t.db", clock=HandClock())
    waiting = [store.offer(log_rows(1)) for _ in range(50)]
    store.close()
    assert all(done.result(0) is None for done in waiting)
    assert rows(tmp_path / "t.db", "logs") == 50
    with pytest.raises(StoreBusy, match="stopping"):
        store.offer(log_rows(1)).result(0)
    assert not store.alive


def test_a_write_that_fails_is_told_and_the_writer_lives_on(tmp_path: Path) -> None:
    store = TelemetryStore(tmp_path / "t.db", clock=HandClock())
    odd = Records(logs=((T0, "no number", "orders", 17, "", "x"),))  # a STRICT table takes no such time
    with pytest.raises(StoreBusy, match=r"t\.db"):
        store.offer(odd).result(10)
    store.offer(log_rows(1)).result(10)
    assert (store.counts.failed, store.counts.logs, store.alive) == (1, 1, True)
    store.close()


def test_a_sender_that_gave_up_disturbs_nobody(tmp_path: Path) -> None:
    store = TelemetryStore(tmp_path / "t.db", clock=HandClock())
    with closing(sqlite3.connect(store.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        given_up = store.offer(log_rows(1))
        given_up.cancel()
        waits = store.offer(log_rows(1))
        other.execute("ROLLBACK")
    waits.result(10)
    assert store.alive
    store.close()


def test_what_is_old_goes(tmp_path: Path) -> None:
    clock = HandClock()
    store = TelemetryStore(tmp_path / "t.db", clock=clock, retention=Retention(max_age_s=100))
    store.offer(log_rows(12_000)).result(30)
    store.offer(span_rows(10)).result(10)
    clock.at += 101
    store.offer(log_rows(1, received_at=clock.at)).result(10)
    store.close()
    assert (rows(tmp_path / "t.db", "logs"), rows(tmp_path / "t.db", "spans")) == (1, 0)
    assert store.counts.forgotten == 12_010


def test_what_is_too_much_goes_oldest_first_and_the_file_shrinks(tmp_path: Path) -> None:
    limit = 2_000_000
    store = TelemetryStore(tmp_path / "t.db", clock=HandClock(), retention=Retention(max_bytes=limit))
    for number in range(6):
        store.offer(log_rows(4_000, body=f"{number} {'x' * 200}")).result(30)
    store.offer(log_rows(1, body="the last")).result(10)
    store.close()
    assert store.counts.forgotten > 10_000
    with closing(sqlite3.connect(tmp_path / "t.db")) as db:
        assert db.execute("SELECT document FROM logs ORDER BY id DESC LIMIT 1").fetchone() == ("the last",)
        (oldest,) = db.execute("SELECT document FROM logs ORDER BY id LIMIT 1").fetchone()
        assert not oldest.startswith("0 ")


def test_a_limit_that_even_an_empty_file_exceeds_does_not_hang(tmp_path: Path) -> None:
    store = TelemetryStore(tmp_path / "t.db", clock=HandClock(), retention=Retention(max_bytes=1))
    store.offer(log_rows(10)).result(10)
    store.close()
    assert rows(tmp_path / "t.db", "logs") == 0


def test_another_programs_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "t.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE accounts (id INTEGER)")
    with pytest.raises(StoreFailed, match="is not the collector's, or of another version"):
        TelemetryStore(path, clock=HandClock())
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT name FROM sqlite_master").fetchall() == [("accounts",)]
        assert db.execute("PRAGMA journal_mode").fetchone() == ("delete",)


@pytest.mark.parametrize("kind", ["not-a-database", "a-folder", "in-a-file"])
def test_what_cannot_be_opened_says_what_to_do(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "t.db"
    if kind == "a-folder":
        path.mkdir()
    else:
        path.write_bytes(b"no database " * 1000)
    with pytest.raises(StoreFailed, match=r"name (another|a) file"):
        TelemetryStore(path / "t.db" if kind == "in-a-file" else path, clock=HandClock())
