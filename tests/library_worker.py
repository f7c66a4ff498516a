"""A queue's worker in a process of its own; with ``fork`` the work is done in a forked child."""

from __future__ import annotations

import os
import sys

from shopwatch import catalogue, record
from shopwatch.bootstrap import start
from shopwatch.hooks.queue import consume


def work() -> None:
    """Process one message."""
    with consume("orders", "rabbitmq", {}):
        record(catalogue.ORDERS, outcome="placed")


def main() -> None:
    """Work once, then wait until standard input is closed."""
    telemetry = start(service="worker", metrics_port=int(sys.argv[1]))
    if "fork" in sys.argv:
        child = os.fork()
        if child == 0:
            work()
            telemetry.ending.close()
            os._exit(0)
        os.waitpid(child, 0)
    else:
        work()
    print("done", flush=True)  # noqa: T201 - the test reads it
    sys.stdin.read()


if __name__ == "__main__":
    main()
