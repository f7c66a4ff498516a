"""Processes that begin with the demo and end with it, whatever happens to it.

Each has a log file, and a session of its own: Ctrl-C reaches the demo alone, which then ends them in order,
and Linux' scheduler, which shares the processor among sessions, lets one that burns it not starve the others.
On Linux the kernel also ends them should the demo be killed outright.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from shopwatch_engine.exceptions import EngineError

STOP_S: Final = 5.0
"""Seconds that a process has to end after SIGTERM before it is killed."""
_LOOK_S: Final = 0.05
_TAIL_LINES: Final = 12
_PR_SET_PDEATHSIG: Final = 1  # linux/prctl.h


class ProcessEnded(EngineError):  # noqa: N818 - reads as the state it reports
    """A process of the demo ended when it should not; the message has the end of its log."""

    def __init__(self, name: str, code: int, log: Path) -> None:
        self.name = name
        self.address_taken = "address already in use" in _tail(log).lower()
        super().__init__(f"{name} ended with {code}; its log ({log}) ends with:\n{_tail(log)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What is started: a name, words, the whole environment, and a folder to work in.

    ``ends``: those with a smaller number are ended before those with a larger one, so that nobody waits
    for somebody who is gone.
    """

    name: str
    argv: tuple[str, ...]
    environ: Mapping[str, str] = field(repr=False)
    folder: Path
    ends: int = 1
    death_signal: signal.Signals = signal.SIGKILL  # what the kernel sends should the demo die


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A process under way."""

    command: Command
    process: subprocess.Popen[bytes] = field(repr=False)
    log: Path

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    def check(self) -> None:
        """Make sure that it still runs.

        Raises:
            ProcessEnded: it does not.
        """
        code = self.process.poll()
        if code is not None:
            raise ProcessEnded(self.command.name, code, self.log)

    def kill(self) -> None:
        """End it at once, with SIGKILL, and wait until it is gone. Does nothing to one that has ended."""
        self.process.kill()
        self.process.wait()


class Crew:
    """Every process of the demo, by name.

    Args:
        logs: the folder of their log files; it must exist.
    """

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._running: dict[str, Running] = {}

    @property
    def pids(self) -> tuple[int, ...]:
        """The processes that were started and not yet stopped."""
        return tuple(one.pid for one in self._running.values())

    def __getitem__(self, name: str) -> Running:
        return self._running[name]

    def start(self, command: Command) -> Running:
        """Start a process; one of the same name must have ended. Its log is appended to.

        Raises:
            EngineError: it cannot be started.
        """
        log = self._logs / f"{command.name}.log"
        with log.open("ab") as output:
            try:
                process = subprocess.Popen(  # noqa: S603 - our own commands
                    command.argv,
                    cwd=command.folder,
                    env=dict(command.environ),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    preexec_fn=_dies_with_us(command.death_signal),  # noqa: PLW1509 - prctl alone, no lock taken
                )
            except OSError as error:
                raise EngineError(
                    f"cannot start {command.name} ({command.argv[0]}): {error.strerror}"
                ) from error
        running = Running(command=command, process=process, log=log)
        self._running[command.name] = running
        return running

    def check(self) -> None:
        """Make sure that all of them still run.

        Raises:
            ProcessEnded: one does not.
        """
        for one in self._running.values():
            one.check()

    def forget(self, name: str) -> None:
        """Take a process that was meant to end off the list."""
        self._running.pop(name)

    async def stop(self, name: str) -> None:
        """End a process: SIGTERM, then SIGKILL after ``STOP_S``."""
        await _ended(self._running.pop(name))

    async def close(self) -> None:
        """End all of them, in their order, those of one rank side by side; at once when cancelled."""
        running, self._running = tuple(self._running.values()), {}
        try:
            for rank in sorted({one.command.ends for one in running}):
                await asyncio.gather(*(_ended(one) for one in running if one.command.ends == rank))
        finally:
            for one in running:
                one.kill()


async def _ended(one: Running) -> None:
    process = one.process
    process.terminate()  # does nothing to one that has ended
    try:
        for _ in range(round(STOP_S / _LOOK_S)):
            if process.poll() is not None:
                return
            await asyncio.sleep(_LOOK_S)
    finally:  # also when we are told to hurry
        one.kill()


def _dies_with_us(number: signal.Signals) -> Callable[[], None] | None:
    """What a child does before it becomes its program: ask the kernel for a signal when we are gone."""
    if not sys.platform.startswith("linux"):
        return None
    parent = os.getpid()

    def ask() -> None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, int(number))
        if os.getppid() != parent:  # we died before it could ask
            os._exit(1)

    return ask


_LIBC: Final = ctypes.CDLL(None, use_errno=True)


def _tail(log: Path) -> str:
    try:
        text = log.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        return f"(no log: {error.strerror})"
    return "\n".join(text.splitlines()[-_TAIL_LINES:])
