"""Text that every encoder can take."""

from __future__ import annotations

import re
from typing import Final

_SURROGATES: Final = re.compile("[\ud800-\udfff]")


def printable(value: str) -> str:
    """The text with lone surrogates (broken UTF-8) as U+FFFD: one of them fails a whole batch otherwise."""
    return value if value.isascii() else _SURROGATES.sub("\ufffd", value)
