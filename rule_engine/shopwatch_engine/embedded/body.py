"""Reading a request's body within bounds: bytes on the wire, and bytes once inflated."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator
from typing import Final

_WINDOW_BITS: Final = {"gzip": 31, "deflate": 15}
CODINGS: Final = ("identity", *_WINDOW_BITS)


class TooLarge(Exception):  # noqa: N818 - reads as the state it reports
    """The body is longer than is taken."""


class Garbled(Exception):  # noqa: N818 - reads as the state it reports
    """The body is not compressed as its header says."""


async def read_body(chunks: AsyncIterator[bytes], *, max_bytes: int) -> bytes:
    """All of a body, whether or not its length was announced.

    Raises:
        TooLarge: more than ``max_bytes`` came; the rest is left unread.
    """
    body = bytearray()
    async for chunk in chunks:
        body += chunk
        if len(body) > max_bytes:
            raise TooLarge(f"the body has more than {max_bytes} bytes")
    return bytes(body)


def inflate(body: bytes, coding: str, *, max_bytes: int) -> bytes:
    """The body without its content coding (one of ``CODINGS``).

    Raises:
        TooLarge: it would inflate to more than ``max_bytes``; no more than that is ever held.
        Garbled: it is not what ``coding`` says, or it is cut off.
    """
    if coding == "identity":
        return body
    inflated = bytearray()
    while body:  # a gzip file may have several members
        member = zlib.decompressobj(wbits=_WINDOW_BITS[coding])
        try:
            inflated += member.decompress(body, max_bytes + 1 - len(inflated))
        except zlib.error as error:
            raise Garbled(f"the body is not {coding}: {error}") from error
        if len(inflated) > max_bytes:
            raise TooLarge(f"the body inflates to more than {max_bytes} bytes")
        if not member.eof:
            raise Garbled(f"the {coding} body is cut off")
        body = member.unused_data
    return bytes(inflated)
