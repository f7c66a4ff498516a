"""Metrics of the process that a service runs in, and of its health."""

from __future__ import annotations

from typing import Final

from shopwatch.catalogue.attributes import (
    CHECK_NAME,
    CPU_MODE,
    DB_BUCKETS,
    GC_GENERATION,
    REVISION,
    RUNTIME_NAME,
    RUNTIME_VERSION,
    THREAD_POOL,
)
from shopwatch.catalogue.model import Across, Kind, Metric

PROCESS_CPU_TIME: Final = Metric(
    name="process.cpu.time",
    kind=Kind.COUNTER,
    unit="s",
    description="CPU time of the service's processes by mode (user, system).",
    attributes=(CPU_MODE,),
)
PROCESS_MEMORY_USAGE: Final = Metric(
    name="process.memory.usage",
    kind=Kind.GAUGE,
    unit="By",
    description="Physical memory in use by the service's processes.",
)
PROCESS_FILE_DESCRIPTORS: Final = Metric(
    name="process.open_file_descriptor.count",
    kind=Kind.GAUGE,
    unit="{file_descriptor}",
    description="File descriptors that the service's processes have open.",
)
PROCESS_THREADS: Final = Metric(
    name="process.thread.count",
    kind=Kind.GAUGE,
    unit="{thread}",
    description="Threads of the service's processes.",
)
PROCESSES: Final = Metric(
    name="shopwatch.processes",
    kind=Kind.GAUGE,
    unit="{process}",
    description="Processes that serve together, such as a server's workers.",
)
GC_COLLECTIONS: Final = Metric(
    name="cpython.gc.collections",
    kind=Kind.COUNTER,
    unit="{collection}",
    description="Runs of the garbage collector by generation.",
    attributes=(GC_GENERATION,),
)
GC_COLLECTED: Final = Metric(
    name="cpython.gc.collected_objects",
    kind=Kind.COUNTER,
    unit="{object}",
    description="Objects that the garbage collector freed, by generation.",
    attributes=(GC_GENERATION,),
)
GC_UNCOLLECTABLE: Final = Metric(
    name="cpython.gc.uncollectable_objects",
    kind=Kind.COUNTER,
    unit="{object}",
    description="Objects that the garbage collector could not free, by generation.",
    attributes=(GC_GENERATION,),
)
GC_PAUSE: Final = Metric(
    name="shopwatch.gc.pause",
    kind=Kind.HISTOGRAM,
    unit="s",
    description="Time that a run of the garbage collector held everything else up, by generation.",
    attributes=(GC_GENERATION,),
    buckets=DB_BUCKETS,
)
LOOP_LAG: Final = Metric(
    name="shopwatch.event_loop.lag",
    kind=Kind.HISTOGRAM,
    unit="s",
    description="How late the event loop came to what it had planned: what blocks it, blocks every request.",
    buckets=DB_BUCKETS,
)
THREAD_POOL_USED: Final = Metric(
    name="shopwatch.thread_pool.used",
    kind=Kind.GAUGE,
    unit="{thread}",
    description="Threads of a pool that are at work.",
    attributes=(THREAD_POOL,),
)
THREAD_POOL_MAX: Final = Metric(
    name="shopwatch.thread_pool.max",
    kind=Kind.GAUGE,
    unit="{thread}",
    description="Threads that a pool may have.",
    attributes=(THREAD_POOL,),
)
THREAD_POOL_WAITING: Final = Metric(
    name="shopwatch.thread_pool.waiting",
    kind=Kind.GAUGE,
    unit="{task}",
    description="Work that waits for a thread of a pool.",
    attributes=(THREAD_POOL,),
)
BUILD_INFO: Final = Metric(
    name="shopwatch.build.info",
    kind=Kind.GAUGE,
    unit="",
    description="What runs, as labels of a constant 1: the revision, and the interpreter.",
    attributes=(REVISION, RUNTIME_NAME, RUNTIME_VERSION),
    across=Across.LATEST,
)
READY: Final = Metric(
    name="shopwatch.health.ready",
    kind=Kind.GAUGE,
    unit="",
    description="1 when the last probe found the service ready, 0 when it did not, or the service drains.",
    across=Across.LATEST,
)
CHECK_STATUS: Final = Metric(
    name="shopwatch.health.check.status",
    kind=Kind.GAUGE,
    unit="",
    description="1 for each check of readiness that passed when it was last asked, else 0.",
    attributes=(CHECK_NAME,),
    across=Across.LATEST,
)
CHECK_DURATION: Final = Metric(
    name="shopwatch.health.check.duration",
    kind=Kind.HISTOGRAM,
    unit="s",
    description="Duration of the checks of readiness.",
    attributes=(CHECK_NAME,),
    buckets=DB_BUCKETS,
)

RUNTIME_METRICS: Final = (
    PROCESS_CPU_TIME,
    PROCESS_MEMORY_USAGE,
    PROCESS_FILE_DESCRIPTORS,
    PROCESS_THREADS,
    PROCESSES,
    GC_COLLECTIONS,
    GC_COLLECTED,
    GC_UNCOLLECTABLE,
    GC_PAUSE,
    LOOP_LAG,
    THREAD_POOL_USED,
    THREAD_POOL_MAX,
    THREAD_POOL_WAITING,
    BUILD_INFO,
    READY,
    CHECK_STATUS,
    CHECK_DURATION,
)
