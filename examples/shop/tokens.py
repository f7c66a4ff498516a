"""Bearer tokens: JSON web tokens that auth signs and orders verifies with one secret."""

from __future__ import annotations

from typing import Final

import jwt
from fastapi import HTTPException
from fastapi.security import HTTPAuthorizationCredentials

LIFETIME_S: Final = 900
_ALGORITHM: Final = "HS256"
_ISSUER: Final = "shop-auth"


def issue(customer: str, secret: str, *, now: float) -> str:
    """A token that says who the customer is, for a quarter of an hour."""
    claims = {"sub": customer, "iss": _ISSUER, "iat": int(now), "exp": int(now) + LIFETIME_S}
    return jwt.encode(claims, secret, algorithm=_ALGORITHM)


def customer_of(credentials: HTTPAuthorizationCredentials | None, secret: str) -> str:
    """Who sent these credentials.

    Raises:
        HTTPException: 401 when there are none, or they are wrong or too old.
    """
    if credentials is None:
        raise _refused("log in first")
    try:
        claims = jwt.decode(
            credentials.credentials,
            secret,
            algorithms=[_ALGORITHM],
            issuer=_ISSUER,
            options={"require": ["exp", "sub"]},
        )
    except jwt.InvalidTokenError as error:
        raise _refused("the token is wrong or too old; log in again") from error
    return str(claims["sub"])


def _refused(why: str) -> HTTPException:
    return HTTPException(401, why, headers={"WWW-Authenticate": "Bearer"})
