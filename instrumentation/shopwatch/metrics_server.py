"""``/metrics``, ``/healthz`` and ``/readyz`` on a port of their own, from a thread.

Several workers of one service may be told the same port: one serves, for all of them, and when it is gone
another takes its place.
"""

from __future__ import annotations

import errno
import logging
import os
import threading
from collections.abc import Callable
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from shopwatch import catalogue
from shopwatch.middleware.endpoints import Answer

_logger: Final = logging.getLogger(catalogue.SCOPE)
_TIMEOUT_S: Final = 10.0  # for a request to come in and its answer to go out
_AGAIN_S: Final = 1.0  # between two attempts to take a port that is in use
_AT_ONCE: Final = 8  # scrapes that are answered side by side; more are told to come later

Ask = Callable[[str, Callable[[str], str]], Answer | None]
"""From a path and a way to look up headers to the answer; None when there is none on that path."""


class MetricsServer:
    """Serves from a thread for as long as the process lives; in a forked child anew.

    Args:
        address: to listen on.
        port: to listen on; 0 for a free one.
        ask: gives the answers.
    """

    def __init__(self, address: str, port: int, ask: Ask) -> None:
        self._at = (address, port)
        self._ask = ask
        self._closing = threading.Event()
        self._server: _Server | None = None
        self._start()
        os.register_at_fork(after_in_child=self._start)

    @property
    def port(self) -> int | None:
        """The port that it listens on; None while another process has it."""
        return None if self._server is None else self._server.server_address[1]

    def close(self) -> None:
        """Stop listening."""
        self._closing.set()
        if self._server is not None:
            self._server.shutdown()

    def _start(self) -> None:
        if self._server is not None:  # of the parent, which goes on listening
            self._server.socket.close()
            self._server = None
        self._try()
        threading.Thread(target=self._serve, name="shopwatch-metrics", daemon=True).start()

    def _try(self) -> None:
        try:
            self._server = _Server(self._at, partial(_Handler, self._ask))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                _logger.warning("metrics are not served at %s:%d: %s", *self._at, error)
                self._closing.set()

    def _serve(self) -> None:
        told = False
        while self._server is None and not self._closing.wait(_AGAIN_S if told else 0):
            self._try()
            if self._server is None and not told:
                told = True
                _logger.info("port %d is in use; taken over once it is free", self._at[1])
        if self._server is not None:
            self._server.serve_forever(poll_interval=0.1)
            self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_port = False

    def __init__(self, at: tuple[str, int], handler: Callable[..., BaseHTTPRequestHandler]) -> None:
        self.places = threading.BoundedSemaphore(_AT_ONCE)
        super().__init__(at, handler)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401, ARG002 - the library's own
        """Say little of a scraper that hangs up."""
        _logger.debug("an answer to %s could not be sent", client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = _TIMEOUT_S
    server: _Server

    def __init__(self, ask: Ask, *given: Any) -> None:  # noqa: ANN401 - the library's own
        self._ask = ask
        super().__init__(*given)

    def do_GET(self) -> None:
        """Answer."""
        if not self.server.places.acquire(blocking=False):
            self._send(503, (("Retry-After", "1"),), b"too many at once\n")
            return
        try:
            answer = self._ask(self.path.partition("?")[0], lambda name: self.headers.get(name, ""))
        finally:
            self.server.places.release()
        if answer is None:
            self._send(404, (), b"there are /metrics, /healthz and /readyz\n")
        else:
            self._send(answer.status, answer.headers, answer.body)

    do_HEAD = do_GET  # noqa: N815 - as above

    def _send(self, status: int, headers: tuple[tuple[str, str], ...], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, ANN401 - the library's own
        """Scrapes are not worth a line."""
