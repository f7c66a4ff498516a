"""Several worker processes of one service, whose metrics any of them can tell.

Each process keeps its numbers in a file of its own that is mapped into memory, and holds a lock on the file
for as long as it lives. Whoever is scraped reads all files of the group: counters and histograms are added
up, gauges as their ``across`` says. The counts of a process that has died are added to the group's totals,
and its file, with its gauges, goes. A crash on the way counts nothing twice: the totals name the files that
they hold, and replace the earlier ones in one step.

A file is a header (magic number, bytes used) and records, one for each series: its length, the length of
its name, its name (JSON: family and labels), and its cells, which are eight bytes each.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import mmap
import os
import secrets
import shutil
import struct
import tempfile
import threading
import time
import uuid
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from operator import add
from pathlib import Path
from typing import Any, Final

from shopwatch.catalogue import METRICS, Across, Kind, Metric
from shopwatch.families import Counter, Gauge, Histogram, Labels, Series

SIZE: Final = 64 * 1024 * 1024
"""Bytes of each process' file, of which only those in use take up space."""
_MAGIC: Final = 0x31_50_53  # "SP1"
_HEADER: Final = struct.Struct("<QQ")
_RECORD: Final = struct.Struct("<II")
_EXEMPLAR: Final = struct.Struct("<QQQdd")  # trace id (two halves), span id, value, time
_EXEMPLAR_CELLS: Final = 6  # a sequence number before it: odd while it is being written
_LOW: Final = (1 << 64) - 1
_TOTALS: Final = "totals.json"
_LOCK: Final = "lock"
_FRESH_S: Final = 0.05  # for so long one reading serves all families


class MappedCounter:
    """As ``families.Counter``, in cells."""

    __slots__ = ("_at", "_cells")

    def __init__(self, file: _File, at: int) -> None:
        self.move(file, at)

    def move(self, file: _File, at: int) -> None:
        """Go on in a file, from the cell ``at`` on."""
        self._cells = file.cells
        self._at = at

    def inc(self, amount: float = 1.0) -> None:
        """Add an amount.

        Raises:
            ValueError: it is negative.
        """
        if amount < 0:
            raise ValueError(f"a counter only grows: it cannot take {amount}")
        self._cells[self._at] += amount


class MappedGauge:
    """As ``families.Gauge``, in cells: the value, and when it was set."""

    __slots__ = ("_at", "_cells")

    def __init__(self, file: _File, at: int) -> None:
        self.move(file, at)

    def move(self, file: _File, at: int) -> None:
        """Go on in a file, from the cell ``at`` on."""
        self._cells = file.cells
        self._at = at

    def inc(self, amount: float = 1.0) -> None:
        """Add an amount."""
        self._cells[self._at] += amount

    def dec(self, amount: float = 1.0) -> None:
        """Take an amount away."""
        self._cells[self._at] -= amount

    def set(self, value: float) -> None:
        """Set the value."""
        self._cells[self._at] = float(value)
        self._cells[self._at + 1] = time.time()


class MappedHistogram:
    """As ``families.Histogram``, in cells: the buckets, the sum, and an exemplar a bucket."""

    __slots__ = ("_at", "_bounds", "_cells", "_exemplars", "_memory")

    def __init__(self, bounds: tuple[float, ...], file: _File, at: int) -> None:
        self._bounds = bounds
        self.move(file, at)

    def move(self, file: _File, at: int) -> None:
        """Go on in a file, from the cell ``at`` on."""
        self._memory = file.memory
        self._cells = file.cells
        self._at = at
        self._exemplars = at + len(self._bounds) + 2

    def observe(self, value: float, trace_id: int = 0, span_id: int = 0) -> None:
        """Count an observation; with a trace's id it becomes its bucket's exemplar."""
        bucket, cells = bisect_left(self._bounds, value), self._cells
        cells[self._at + bucket] += 1
        cells[self._at + len(self._bounds) + 1] += value
        if trace_id:
            at = self._exemplars + bucket * _EXEMPLAR_CELLS
            cells[at] += 1
            ids = trace_id >> 64, trace_id & _LOW, span_id
            _EXEMPLAR.pack_into(self._memory, at * 8 + 8, *ids, value, time.time())
            cells[at] += 1


MappedSeries = MappedCounter | MappedGauge | MappedHistogram


def _made(metric: Metric, file: _File, at: int) -> MappedSeries:
    if metric.kind is Kind.HISTOGRAM:
        return MappedHistogram(metric.buckets, file, at)
    return MappedGauge(file, at) if metric.kind is Kind.GAUGE else MappedCounter(file, at)


def _cells_of(metric: Metric) -> int:
    if metric.kind is Kind.HISTOGRAM:
        return len(metric.buckets) + 2 + (len(metric.buckets) + 1) * _EXEMPLAR_CELLS
    return 2 if metric.kind is Kind.GAUGE else 1


class _File:
    """One process' file, as its owner has it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        fcntl.lockf(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(self._handle, SIZE)
        self.memory = mmap.mmap(self._handle, SIZE)
        self.cells = memoryview(self.memory).cast("d")
        self._used = _HEADER.size
        _HEADER.pack_into(self.memory, 0, _MAGIC, self._used)

    def room(self, metric: Metric, name: bytes) -> int | None:
        """The first cell of a new series; None when the file is full."""
        start = self._used + _RECORD.size
        cells = (start + len(name) + 7) // 8
        end = (cells + _cells_of(metric)) * 8
        if end > SIZE:
            return None
        _RECORD.pack_into(self.memory, self._used, end - self._used, len(name))
        self.memory[start : start + len(name)] = name
        self._used = end
        _HEADER.pack_into(self.memory, 0, _MAGIC, end)  # readers see it from here on
        return cells


@dataclass(frozen=True, slots=True)
class _Entry:
    """Where a series stands in a file."""

    family: str
    labels: Labels
    metric: Metric
    cell: int


@dataclass(slots=True)
class _Reader:
    """Another process' file, and how far it has been read: records are only ever added."""

    memory: mmap.mmap
    entries: list[_Entry] = field(default_factory=list)
    read: int = _HEADER.size
    strange: list[tuple[str, Labels, int]] = field(default_factory=list)

    def refresh(self) -> list[_Entry]:
        """Every series in the file by now, of the metrics that are known here."""
        if self.strange:
            self._recognise()
        magic, used = _HEADER.unpack_from(self.memory, 0)
        while magic == _MAGIC and self.read < used:
            length, size = _RECORD.unpack_from(self.memory, self.read)
            start = self.read + _RECORD.size
            family, labels = json.loads(self.memory[start : start + size])
            metric = METRICS.get(family)
            cell = (start + size + 7) // 8
            if metric is None:  # declared in that process, and not in this one yet
                self.strange.append((family, tuple(labels), cell))
            else:
                self.entries.append(_Entry(family, tuple(labels), metric, cell))
            self.read += length
        return self.entries

    def _recognise(self) -> None:
        """Take in what has been declared in this process since."""
        known = [one for one in self.strange if one[0] in METRICS]
        self.strange = [one for one in self.strange if one[0] not in METRICS]
        self.entries.extend(_Entry(name, labels, METRICS[name], cell) for name, labels, cell in known)


class Group:
    """The worker processes of one service.

    Args:
        directory: of their files; made if there is none.
    """

    def __init__(self, directory: Path) -> None:
        self._mine: list[tuple[Metric, bytes, MappedSeries]] = []
        self._begin(directory)

    def _begin(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = threading.RLock()
        self._file = _File(directory / _new_name())
        self._readers: dict[str, _Reader] = {}
        self._last: tuple[float, Merged] | None = None

    @property
    def instance(self) -> str:
        """``service.instance.id`` of the group, which is one target to who scrapes it."""
        return str(uuid.uuid5(uuid.NAMESPACE_URL, self.directory.as_uri()))

    def series(self, metric: Metric, labels: Labels) -> MappedSeries | None:
        """A series of this process; None when there is no more room."""
        name = json.dumps([metric.name, labels]).encode()
        with self._lock:
            at = self._file.room(metric, name)
            if at is None:
                return None
            made = _made(metric, self._file, at)
            self._mine.append((metric, name, made))
            return made

    def after_fork(self, directory: Path) -> None:
        """Begin a file of the child's own, in the directory of its group: the same series, at zero."""
        self._begin(directory)
        for metric, name, series in self._mine:
            at = self._file.room(metric, name)
            if at is not None:
                series.move(self._file, at)

    def collect(self) -> Merged:
        """The sums over all processes, dead ones included."""
        with self._lock:
            now = time.monotonic()
            if self._last is None or now - self._last[0] > _FRESH_S:
                self._last = (now, self._collect())
            return self._last[1]

    def _collect(self) -> Merged:
        merged = Merged()
        with self._exclusively():
            totals = _read_totals(self.directory / _TOTALS)
            dead = {path.name: path for path in self._others() if self._is_dead(path)}
            buried = {name: path for name, path in dead.items() if name not in totals.folded}
            merged.add_totals(totals)
            left = {name: path for name, path in buried.items() if self._is_strange(name)}
            for name in buried.keys() - left.keys():
                self._add(merged, name, gauges=False)
            if buried.keys() - left.keys():
                folded = (*totals.folded, *(name for name in buried if name not in left))
                _write_totals(self.directory / _TOTALS, merged, folded)
            for name, path in dead.items():
                if name not in left:
                    path.unlink(missing_ok=True)
                    self._readers.pop(name, None)
            for path in (self._file.path, *self._others()):
                self._add(merged, path.name, gauges=path.name not in left)
        return merged

    def _is_strange(self, name: str) -> bool:
        """Whether a dead process' file holds metrics that are not declared here, and so has to stay."""
        reader = self._readers.get(name) or self._open(name)
        if reader is not None:
            reader.refresh()
        return reader is not None and bool(reader.strange)

    @contextlib.contextmanager
    def _exclusively(self) -> Iterator[None]:
        handle = os.open(self.directory / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.lockf(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def _others(self) -> list[Path]:
        return [path for path in self.directory.glob("*.cells") if path.name != self._file.path.name]

    def _is_dead(self, path: Path) -> bool:
        """Whether nobody holds its lock. Never asked of our own: to close a handle would let go of it."""
        try:
            handle = os.open(path, os.O_RDWR)
        except FileNotFoundError:
            return False
        try:
            fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        finally:
            os.close(handle)
        return True

    def _add(self, merged: Merged, name: str, *, gauges: bool) -> None:
        reader = self._readers.get(name)
        if reader is None:
            reader = self._open(name)
            if reader is None:
                return
        for entry in reader.refresh():
            if gauges or entry.metric.kind is not Kind.GAUGE:
                merged.add(entry, reader.memory)

    def _open(self, name: str) -> _Reader | None:
        if name == self._file.path.name:
            memory = self._file.memory
        else:
            try:
                handle = os.open(self.directory / name, os.O_RDONLY)
            except FileNotFoundError:
                return None
            try:
                if os.fstat(handle).st_size < SIZE:  # it is being made
                    return None
                memory = mmap.mmap(handle, SIZE, prot=mmap.PROT_READ)
            finally:
                os.close(handle)
        made = self._readers[name] = _Reader(memory)
        return made


class Merged:
    """Series of a whole group, by family and labels."""

    def __init__(self) -> None:
        self._series: dict[tuple[str, Labels], Series] = {}
        self._set_at: dict[tuple[str, Labels], float] = {}
        self._by_family: dict[str, list[tuple[Labels, Series]]] | None = None
        self._strange: list[list[Any]] = []  # totals of metrics that are not declared here

    def by_family(self) -> Mapping[str, list[tuple[Labels, Series]]]:
        """All series, by the metric's OpenTelemetry name."""
        if self._by_family is None:
            self._by_family = {}
            for (family, labels), series in self._series.items():
                self._by_family.setdefault(family, []).append((labels, series))
        return self._by_family

    def add(self, entry: _Entry, memory: mmap.mmap) -> None:
        """Add one process' series."""
        metric, at = entry.metric, entry.cell * 8
        if metric.kind is Kind.HISTOGRAM:
            count = len(metric.buckets) + 2
            values = struct.unpack_from(f"<{count}d", memory, at)
            exemplars = tuple(_read_exemplars(memory, at + count * 8, count - 1))
            self._add_histogram((entry.family, entry.labels), metric, values, exemplars)
        elif metric.kind is Kind.GAUGE:
            self._add_gauge((entry.family, entry.labels), metric, *struct.unpack_from("<2d", memory, at))
        else:
            self._add_counter((entry.family, entry.labels), struct.unpack_from("<d", memory, at)[0])

    def _add_counter(self, key: tuple[str, Labels], value: float) -> None:
        known = self._series.setdefault(key, Counter())
        assert isinstance(known, Counter)  # noqa: S101 - a family has one kind
        known.value += value

    def _add_gauge(self, key: tuple[str, Labels], metric: Metric, value: float, set_at: float) -> None:
        known = self._series.setdefault(key, Gauge())
        assert isinstance(known, Gauge)  # noqa: S101 - a family has one kind
        if metric.across is Across.SUM:
            known.value += value
        elif set_at >= self._set_at.get(key, 0.0):
            known.value, self._set_at[key] = value, set_at

    def _add_histogram(
        self,
        key: tuple[str, Labels],
        metric: Metric,
        values: tuple[float, ...],
        exemplars: tuple[tuple[int, int, float, float] | None, ...],
    ) -> None:
        known = self._series.get(key)
        if known is None:
            known = self._series[key] = Histogram(metric.buckets)
        assert isinstance(known, Histogram)  # noqa: S101 - a family has one kind
        known.counts = list(map(add, known.counts, map(int, values[:-1])))
        known.sum += values[-1]
        for bucket, exemplar in enumerate(exemplars):
            before = known.exemplars[bucket]
            if exemplar is not None and (before is None or exemplar[3] > before[3]):
                known.exemplars[bucket] = exemplar

    def add_totals(self, totals: _Totals) -> None:
        """Add what dead processes have counted."""
        for family, labels, values, exemplars in totals.series:
            if family not in METRICS:  # not declared here
                self._strange.append([family, labels, values, exemplars])
                continue
            metric, key = METRICS[family], (family, tuple(labels))
            if metric.kind is Kind.HISTOGRAM:
                kept = tuple(
                    None if one is None else (int(one[0], 16), one[1], one[2], one[3]) for one in exemplars
                )
                self._add_histogram(key, metric, tuple(values), kept)
            else:
                self._add_counter(key, values[0])

    def as_totals(self) -> list[list[Any]]:
        """Counters and histograms, for the file of totals."""
        rows: list[list[Any]] = list(self._strange)
        for (family, labels), series in self._series.items():
            if isinstance(series, Counter):
                rows.append([family, labels, [series.value], []])
            elif isinstance(series, Histogram):
                kept = [None if one is None else [f"{one[0]:x}", *one[1:]] for one in series.exemplars]
                rows.append([family, labels, [*series.counts, series.sum], kept])
        return rows


@dataclass(frozen=True, slots=True, kw_only=True)
class _Totals:
    folded: tuple[str, ...] = ()
    series: tuple[list[Any], ...] = ()


def _read_totals(path: Path) -> _Totals:
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return _Totals()
    return _Totals(folded=tuple(read["folded"]), series=tuple(read["series"]))


def _write_totals(path: Path, merged: Merged, folded: tuple[str, ...]) -> None:
    """Replace the totals; names are kept for as long as their files might still be there."""
    alive = tuple(name for name in folded if (path.parent / name).exists())
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps({"folded": alive, "series": merged.as_totals()}), encoding="utf-8")
    fresh.replace(path)


def _read_exemplars(memory: mmap.mmap, at: int, count: int) -> Iterator[tuple[int, int, float, float] | None]:
    for bucket in range(count):
        start = at + bucket * _EXEMPLAR_CELLS * 8
        before = struct.unpack_from("<d", memory, start)[0]
        if not before or before % 2:  # never written, or being written
            yield None
            continue
        high, low, span_id, value, when = _EXEMPLAR.unpack_from(memory, start + 8)
        same = struct.unpack_from("<d", memory, start)[0] == before
        yield (high << 64 | low, span_id, value, when) if same else None


def _new_name() -> str:
    return f"{os.getpid()}-{secrets.token_hex(8)}.cells"


_groups: Final[dict[str, Group]] = {}


def group_of(chosen: str) -> Group | None:
    """The group of this process, which one process has one of; None when it works alone.

    Args:
        chosen: the directory that the settings say; empty when they say nothing.
    """
    directory = directory_of_process(chosen)
    if directory is None:
        return None
    if chosen not in _groups:
        if not chosen:
            _sweep(directory.parent)
        made = _groups[chosen] = Group(directory)
        os.register_at_fork(after_in_child=lambda: made.after_fork(directory_of_process(chosen) or directory))
    return _groups[chosen]


def _sweep(base: Path) -> None:
    """Remove what groups have left whose supervisor is gone."""
    for left in base.glob("*-*"):
        process, _, started = left.name.partition("-")
        if started and process.isdigit() and _started(int(process)) != started:
            shutil.rmtree(left, ignore_errors=True)


def directory_of(chosen: str, *, is_worker: bool, supervisor: str, user: int, temporary: str) -> Path | None:
    """Where a process' group keeps its files; None for a process that works alone.

    Args:
        chosen: what the settings say; empty when they say nothing.
        is_worker: whether a server has started the process as one of several.
        supervisor: names the process that started it.
        user: id of the user.
        temporary: the folder for temporary files.
    """
    if chosen:
        return Path(chosen)
    return Path(temporary) / f"shopwatch-{user}" / supervisor if is_worker else None


def directory_of_process(chosen: str, environ: Mapping[str, str] = os.environ) -> Path | None:
    """As ``directory_of``, for this process: uvicorn's, hypercorn's and gunicorn's workers have a group."""
    import multiprocessing  # noqa: PLC0415 - for this question only

    is_worker = multiprocessing.parent_process() is not None or environ.get("SERVER_SOFTWARE", "").startswith(
        "gunicorn/"
    )
    parent = os.getppid()
    return directory_of(
        chosen,
        is_worker=is_worker,
        supervisor=f"{parent}-{_started(parent)}",
        user=os.getuid(),
        temporary=tempfile.gettempdir(),
    )


def _started(process: int) -> str:
    """When a process started, so that its number can be used again; empty where the system does not say."""
    try:
        return Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""
