"""The named steps between an alert and a delivered page, where a crash could do harm.

The runtime passes each one; what stands there is given in: nothing in production, an end of the process
in the crash tests, a crash of the simulated engine in the simulation.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from shopwatch_engine.model import Action


class Step(Enum):
    """A place in the pipeline."""

    BEFORE_COMMIT = "before-commit"
    AFTER_COMMIT = "after-commit"
    BEFORE_SEND = "before-send"
    AFTER_SEND = "after-send"
    AFTER_SETTLE = "after-settle"


Checkpoint = Callable[[Step, Action], None]
"""Called at a step with what is on its way there."""


def walk_on(_step: Step, _action: Action) -> None:
    """The checkpoint of production: nothing stands in the way."""
