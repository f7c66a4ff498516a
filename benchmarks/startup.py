"""What watching costs before the first request: time until a service is ready to serve, and idle memory.

The same FastAPI application three times: bare, by ``instrument`` with OTLP over HTTP, and as
``opentelemetry-instrument`` starts it (opentelemetry-distro, OTLP over HTTP, every installed instrumentation
loaded) with prometheus-fastapi-instrumentator. Each in a process of its own, in turn; medians less the bare
application's.

Run it: ``python benchmarks/startup.py [--rounds N]``.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys

_APP = """
from fastapi import FastAPI
app = FastAPI()
@app.get("/")
async def root() -> str:
    return "x"
"""
_TELL = """
import json, resource, time
from pathlib import Path
pages = int(Path("/proc/self/statm").read_text().split()[1])
print(json.dumps([time.process_time(), pages * resource.getpagesize() / 2**20]))
import os
os._exit(0)
"""
_WAYS = {
    "bare FastAPI": _APP,
    "shopwatch": _APP + "from shopwatch import instrument\ninstrument(app, service='orders')\n",
    "opentelemetry-instrument + instrumentator": (
        "from opentelemetry.instrumentation.auto_instrumentation import initialize\ninitialize()\n"
        + _APP
        + "from prometheus_fastapi_instrumentator import Instrumentator\n"
        "Instrumentator().instrument(app).expose(app)\n"
    ),
}
_ENVIRON = {
    "OTEL_SERVICE_NAME": "orders",
    "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
    "OTEL_METRICS_EXPORTER": "none",
}


def _run(code: str) -> tuple[float, float]:
    """Seconds of CPU until ready, and resident memory in MiB."""
    done = subprocess.run(
        [sys.executable, "-c", code + _TELL],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, **_ENVIRON},
    )
    seconds, memory = json.loads(done.stdout.splitlines()[-1])
    return seconds, memory


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each")
    chosen = parser.parse_args()
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in _WAYS}
    for _ in range(chosen.rounds):
        for name, code in _WAYS.items():
            taken[name].append(_run(code))
    medians = {
        name: [statistics.median(part) for part in zip(*runs, strict=True)] for name, runs in taken.items()
    }
    bare, ours, theirs = medians.values()
    print(
        f"medians of {chosen.rounds} rounds; the bare application: {bare[0]:.2f} s, {bare[1]:.0f} MiB; added:"
    )
    for name, unit, at in (("CPU until ready", "s", 0), ("idle memory", "MiB", 1)):
        own, other = ours[at] - bare[at], theirs[at] - bare[at]
        figures = f"shopwatch {own:6.2f} {unit}, opentelemetry-distro {other:6.2f} {unit}"
        print(f"  {name:16} {figures}: 1/{other / own:.1f}")


if __name__ == "__main__":
    main()
