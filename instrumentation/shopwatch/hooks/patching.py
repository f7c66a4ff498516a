"""Putting a hook around a function of another library, and taking it off again."""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable
from typing import Any, Final

from shopwatch import catalogue

Function = Callable[..., Any]
_logger: Final = logging.getLogger(catalogue.SCOPE)
_ABSENT: Final = object()


class Patches:
    """What one library has around it."""

    def __init__(self) -> None:
        self._undo: list[Callable[[], None]] = []

    def around(self, owner: Any, name: str, wrap: Callable[[Function], Function]) -> None:
        """Replace a function or method by what ``wrap`` makes of it; one that a version lacks is left out."""
        original = getattr(owner, name, None)
        if original is None:
            _logger.debug("%r has no %s: it is not watched", owner, name)
            return
        own = vars(owner).get(name, _ABSENT)  # of a class, or inherited
        made = functools.wraps(original)(wrap(original))
        # Instrumentations read the signature, and take ``__wrapped__`` for what they have wrapped already.
        made.__signature__ = inspect.signature(original)  # type: ignore[attr-defined]
        del made.__wrapped__
        setattr(owner, name, made)
        self.later(functools.partial(_restore, owner, name, own))

    def later(self, undo: Callable[[], None]) -> None:
        """Call this when the hook is taken off."""
        self._undo.append(undo)

    def undo(self) -> None:
        """Take everything off, the last first."""
        while self._undo:
            self._undo.pop()()


def _restore(owner: Any, name: str, own: object) -> None:
    if own is _ABSENT:
        delattr(owner, name)
    else:
        setattr(owner, name, own)
