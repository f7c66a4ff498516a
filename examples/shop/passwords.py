"""Passwords are kept as salted scrypt hashes, each with the cost it was made with."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Final

_BLOCK: Final = 8
_MEMORY: Final = 2**28  # bytes that OpenSSL may take: twice what cost 17 needs, the highest that can be set


def hashed(password: str, *, cost: int) -> str:
    """A password as it is kept: ``cost$salt$hash``.

    Args:
        password: what the customer chose.
        cost: scrypt's N is 2 to this power; 12 takes about 10 ms of a core (2026).
    """
    salt = secrets.token_bytes(16)
    return f"{cost}${salt.hex()}${_derived(password, salt, cost).hex()}"


def matches(password: str, kept: str) -> bool:
    """Whether this is the password that was kept; takes the same time either way."""
    cost, salt, digest = kept.split("$")
    derived = _derived(password, bytes.fromhex(salt), int(cost))
    return hmac.compare_digest(derived, bytes.fromhex(digest))


def _derived(password: str, salt: bytes, cost: int) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=2**cost, r=_BLOCK, p=1, maxmem=_MEMORY, dklen=32)
