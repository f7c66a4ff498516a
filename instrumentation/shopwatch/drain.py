"""The drain before a shutdown: readiness goes down first, and the server goes on for a while.

Kubernetes and load balancers stop to send requests only some seconds after a process was told to end. So the
first SIGTERM does no more than mark the service as not ready; the server gets its SIGTERM after the delay.
A second one from outside is the server's at once.
"""

from __future__ import annotations

import _thread
import contextlib
import os
import signal
import time
from collections.abc import Callable
from types import FrameType
from typing import Any, Final

Handler = Callable[[int, FrameType | None], Any]


class Drain:
    """Whether the service drains.

    Args:
        delay_s: between the first SIGTERM and the server's, in seconds.
        begun: called when it begins to drain.
        last_words: called before a process ends that handles no SIGTERM.
    """

    def __init__(
        self, delay_s: float, *, begun: Callable[[], None], last_words: Callable[[], object]
    ) -> None:
        self._delay_s = delay_s
        self._begun = begun
        self._last_words = last_words
        self.draining = False

    def arm(self) -> None:
        """Come before whoever handles SIGTERM now; again, when a server has put its own handler since.

        Only the main thread can; in another this does nothing.
        """
        handler = signal.getsignal(signal.SIGTERM)
        if handler is None or isinstance(handler, _First) or handler == signal.SIG_IGN:
            return  # None: a handler that is not Python's
        # Asked of the interpreter rather than of threading, where a greenlet of the main thread is none.
        with contextlib.suppress(ValueError):
            signal.signal(signal.SIGTERM, _First(self, handler))

    def begin(self, previous: Handler | signal.Handlers) -> None:
        """SIGTERM came: drain, and hand over to the one before after the delay."""
        again = self.draining
        self.draining = True
        if not again:
            self._begun()
        if again or not self._delay_s:
            self._hand_over(previous)
            return
        signal.signal(signal.SIGTERM, previous)
        # Not threading's: that waits until its thread has started, which gevent's hub must not.
        _thread.start_new_thread(self._tell_again, (previous,))

    def _tell_again(self, previous: Handler | signal.Handlers) -> None:
        time.sleep(self._delay_s)
        if previous == signal.SIG_DFL:
            self._last_words()
        os.kill(os.getpid(), signal.SIGTERM)

    def _hand_over(self, previous: Handler | signal.Handlers) -> None:
        if callable(previous) and not isinstance(previous, signal.Handlers):
            signal.signal(signal.SIGTERM, previous)
            previous(signal.SIGTERM, None)
            return
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        self._last_words()
        os.kill(os.getpid(), signal.SIGTERM)


class _First:
    """The handler that comes first."""

    def __init__(self, drain: Drain, previous: Any) -> None:  # noqa: ANN401 - a handler, or one of signal's own
        self._drain = drain
        self._previous: Final = previous

    def __call__(self, _number: int, _frame: FrameType | None) -> None:
        self._drain.begin(self._previous)
