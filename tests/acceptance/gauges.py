"""A scrape target of gauges that a test sets: the series that rules are written about."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Gauges:
    """Values by case; `set` shows at the next scrape. A value of None takes the series away."""

    def __init__(self) -> None:
        self._values: dict[str, float | None] = {}

    def set(self, case: str, value: float | None) -> None:
        self._values[case] = value

    @property
    def text(self) -> str:
        known = {case: value for case, value in self._values.items() if value is not None}
        lines = [f'test_broken{{case="{case}"}} {value}' for case, value in known.items()]
        return "# TYPE test_broken gauge\n" + "".join(f"{line}\n" for line in lines)


@contextmanager
def scraped_gauges() -> Iterator[tuple[Gauges, str]]:
    """Gauges behind HOST:PORT, until the block ends."""
    gauges = Gauges()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = gauges.text.encode()
            self.send_response(200)
            self.send_header("content-type", "text/plain; version=0.0.4")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
            del format, args

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield gauges, f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
