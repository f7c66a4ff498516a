"""The text that a scrape of ``/metrics`` gets.

The library's own families are written directly, the service's by prometheus_client; both are on one
registry, so a service that serves the registry by itself shows the same.
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from shopwatch.families import written_apart
from shopwatch.metrics import families

_OPENMETRICS: Final = "application/openmetrics-text"
_END: Final = b"# EOF\n"
_LEVEL: Final = 1  # of gzip: a scrape is made often, and read once


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposition:
    """What a scrape gets; ``encoding`` is ``gzip`` or empty."""

    body: bytes
    content_type: str
    encoding: str = ""


def expose(registry: CollectorRegistry, accept: str, accept_encoding: str = "") -> Exposition:
    """The registry's metrics: OpenMetrics if ``accept`` asks for it, else text; zipped if that is accepted.

    Args:
        registry: with the library's families and the service's.
        accept: the header of that name.
        accept_encoding: the header of that name.
    """
    encode, content_type = choose_encoder(accept)
    openmetrics = content_type.startswith(_OPENMETRICS)
    with written_apart():
        others: bytes = encode(registry)
    ours = "".join(
        family.text(openmetrics=openmetrics) for family in families(registry).values() if not family.hidden
    )
    end = _END if openmetrics else b""
    body = others.removesuffix(_END) + ours.encode() + end
    if not accepts_gzip(accept_encoding):
        return Exposition(body=body, content_type=content_type)
    return Exposition(body=gzip.compress(body, _LEVEL, mtime=0), content_type=content_type, encoding="gzip")


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether an ``Accept-Encoding`` header takes gzip (RFC 9110, section 12.5.3)."""
    for part in accept_encoding.lower().split(","):
        coding, *parameters = (piece.strip() for piece in part.split(";"))
        if coding in ("gzip", "*") and not any(piece.replace(" ", "") in _REFUSED for piece in parameters):
            return True
    return False


_REFUSED: Final = frozenset(("q=0", "q=0.0", "q=0.00", "q=0.000"))
