"""Running other programs: the one seam between this package and the machine's tools."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """What became of a command: its exit code, and all that it said."""

    code: int
    output: str

    @property
    def last_line(self) -> str:
        """The last line it said, which is where tools put the reason."""
        lines = self.output.strip().splitlines()
        return lines[-1].strip() if lines else f"exit code {self.code}, and no word"


class Run(Protocol):
    """Runs a command to its end."""

    def __call__(
        self, command: Sequence[str], *, folder: Path, environ: Mapping[str, str], timeout_s: float
    ) -> Completed:
        """Run a command in a folder; one that is not there or takes too long has a code above 0."""
        ...


def run_command(
    command: Sequence[str], *, folder: Path, environ: Mapping[str, str], timeout_s: float
) -> Completed:
    """Run a command without a shell, its standard error among its output."""
    try:
        done = subprocess.run(  # noqa: S603 - fixed commands of the server table, no shell
            list(command),
            cwd=folder,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout_s,
            check=False,
        )
    except OSError as error:
        return Completed(code=127, output=f"{command[0]}: {error.strerror}")
    except subprocess.TimeoutExpired:
        return Completed(code=124, output=f"{command[0]}: not done after {timeout_s:g} s")
    return Completed(code=done.returncode, output=done.stdout.decode("utf-8", "replace"))
