"""Text made to fit what a pager takes: whole characters, an ellipsis where something was cut.

Lengths are in UTF-16 code units: vendors count "characters" in one of two ways, and this is the longer.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final
from urllib.parse import urlsplit

ELLIPSIS: Final = "\N{HORIZONTAL ELLIPSIS}"
_REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"
# Control characters but tab and line feed, and lone surrogates: JSON can spell them, stores refuse them.
_UNSTORABLE: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_BEYOND_16_BITS: Final = re.compile("[\U00010000-\U0010ffff]")
_KEY_DIGEST_BYTES: Final = 16


def cleaned(text: str) -> str:
    """The text with every character that a store may refuse replaced by U+FFFD."""
    return _UNSTORABLE.sub(_REPLACEMENT, text.replace("\r\n", "\n"))


def width(text: str) -> int:
    """How long a text is in UTF-16 code units."""
    return len(text) + len(_BEYOND_16_BITS.findall(text))


def shortened(text: str, limit: int) -> str:
    """The text, cleaned, at most ``limit`` wide (1 or more); a cut ends in an ellipsis."""
    text = cleaned(text.replace("\r\n", "\n")[: limit + 1])  # no more can matter
    return text if width(text) <= limit else _start(text, limit - 1) + ELLIPSIS


def one_line(text: str, limit: int) -> str:
    """The text on one line, at most ``limit`` wide."""
    return shortened(" ".join(text.split()), limit)


def fitted_key(key: str, limit: int) -> str:
    """A deduplication key that the pager takes: the key itself, or its start and a digest of it all.

    Two keys stay two: whatever had to be cut or replaced is in the digest.
    """
    fitting = cleaned(key)
    if fitting == key and width(key) <= limit and key.strip(". \t\n"):
        return key
    digest = hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=_KEY_DIGEST_BYTES).hexdigest()
    return f"{_start(fitting, limit - len(digest) - 1)}-{digest}"


def web_address(href: str, limit: int = 2048) -> str:
    """The address if a person may follow it (http or https, not too long to hold), else ""."""
    href = href.strip()
    if len(href) > limit or cleaned(href) != href:
        return ""
    try:
        parts = urlsplit(href)
    except ValueError:  # brackets that are no IPv6 address
        return ""
    return href if parts.scheme in ("http", "https") and parts.netloc else ""


def _start(text: str, limit: int) -> str:
    """As many whole characters as are ``limit`` wide."""
    return text.encode("utf-16-le")[: 2 * limit].decode("utf-16-le", "ignore")
