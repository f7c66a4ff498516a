"""Every error the library raises on purpose, and only where a developer calls it wrongly.

::

    ShopwatchError
    +-- UnknownName           a metric or label that the catalogue does not name
    +-- InvalidDeclaration    a metric or event of a team's own that cannot be
"""

from __future__ import annotations


class ShopwatchError(Exception):
    """Base of every error that the library raises on purpose."""


class UnknownName(ShopwatchError):  # noqa: N818 - reads as what it is
    """A metric or label was used that the catalogue does not name."""


class InvalidDeclaration(ShopwatchError):  # noqa: N818 - reads as what it is
    """A metric or event of a team's own cannot be declared like that."""
