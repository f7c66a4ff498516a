"""What a service of the shop is told by its environment, as one frozen value."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import urlsplit

PORTS: Final[Mapping[str, int]] = {
    "gateway": 8000,
    "auth": 8001,
    "catalogue": 8002,
    "orders": 8003,
    "payments": 8004,
}
"""The services, and the port of each when none is said."""

SECRET_LENGTH: Final = 32
"""Characters of the secret that signs tokens; RFC 7518 asks for 256 bits with HS256."""

_PASSWORD_COST: Final = 12  # low, so that a laptop bears an attack; a shop with customers takes 17
_CANARY_SHARE: Final = 0.2
_TRUE: Final = ("1", "true", "yes", "on")
_FALSE: Final = ("", "0", "false", "no", "off")


class SettingsError(Exception):
    """A variable of the environment cannot be used: names it, its value and what was expected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that can be set. Addresses and secrets are left out of the repr.

    ``database_url`` is SQLAlchemy's; in memory, so that what is stored ends with the process.
    ``provider_url`` empty: the stand-in within the payments service. ``canary_share``: of the
    catalogue's requests, from 0 to 1. ``password_cost``: scrypt's N is 2 to this power.
    """

    host: str = "127.0.0.1"
    version: str = "1.0.0"
    environment: str = "demo"
    faults: bool = False
    token_secret: str = field(default="", repr=False)
    password_cost: int = _PASSWORD_COST
    database_url: str = field(default="sqlite://", repr=False)
    cache_url: str = field(default="memory://", repr=False)
    queue_url: str = field(default="memory://", repr=False)
    auth_url: str = field(default=f"http://127.0.0.1:{PORTS['auth']}", repr=False)
    catalogue_url: str = field(default=f"http://127.0.0.1:{PORTS['catalogue']}", repr=False)
    catalogue_canary_url: str = field(default="", repr=False)
    catalogue_canary_share: float = _CANARY_SHARE
    orders_url: str = field(default=f"http://127.0.0.1:{PORTS['orders']}", repr=False)
    payments_url: str = field(default=f"http://127.0.0.1:{PORTS['payments']}", repr=False)
    provider_url: str = field(default="", repr=False)

    @property
    def peers(self) -> dict[str, str]:
        """What the services behind the addresses are called, by ``host:port``."""
        named = {
            "auth": self.auth_url,
            "catalogue": self.catalogue_url,
            "orders": self.orders_url,
            "payments": self.payments_url,
            "payment-provider": self.provider_url,
        }
        peers = {urlsplit(url).netloc.rpartition("@")[2]: name for name, url in named.items() if url}
        canary = urlsplit(self.catalogue_canary_url).netloc
        return {**peers, canary: "catalogue"} if canary else peers

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Self:
        """The settings that ``SHOP_<FIELD>`` variables give; defaults for the rest.

        The token's secret may stand in a file instead, named by ``SHOP_TOKEN_SECRET_FILE``.

        Raises:
            SettingsError: a value cannot be used.
        """
        texts = ("host", "version", "environment", "database_url", "cache_url", "queue_url")
        peers = ("auth", "catalogue", "catalogue_canary", "orders", "payments", "provider")
        urls = tuple(f"{peer}_url" for peer in peers)
        for name in urls:
            _refuse_what_is_no_url(name, environ.get(_variable(name), ""))
        given: dict[str, Any] = {
            name: value for name in (*texts, *urls) if (value := environ.get(_variable(name), "").strip())
        }
        return cls(
            **given,
            faults=_switch(environ, "faults"),
            token_secret=_secret(environ),
            password_cost=int(_number(environ, "password_cost", _PASSWORD_COST, low=10, high=17)),
            catalogue_canary_share=_number(environ, "catalogue_canary_share", _CANARY_SHARE, low=0, high=1),
        )

    def secret(self) -> str:
        """The secret that signs tokens, for the services that cannot do without.

        Raises:
            SettingsError: it is not set.
        """
        if not self.token_secret:
            raise SettingsError(
                "SHOP_TOKEN_SECRET is not set: expected the secret that auth and orders share; make one with "
                "python -c 'import secrets; print(secrets.token_urlsafe(32))', or name its file in "
                "SHOP_TOKEN_SECRET_FILE"
            )
        return self.token_secret


def _variable(name: str) -> str:
    return f"SHOP_{name.upper()}"


def _refuse_what_is_no_url(name: str, value: str) -> None:
    if value.strip() and not value.strip().startswith(("http://", "https://")):
        raise SettingsError(f"{_variable(name)}={value!r}: expected a URL such as http://127.0.0.1:8001")


def _switch(environ: Mapping[str, str], name: str) -> bool:
    value = environ.get(_variable(name), "").strip().lower()
    if value not in (*_TRUE, *_FALSE):
        raise SettingsError(f"{_variable(name)}={value!r}: expected 1 or 0")
    return value in _TRUE


def _number(environ: Mapping[str, str], name: str, default: float, *, low: float, high: float) -> float:
    value = environ.get(_variable(name), "").strip()
    try:
        number = float(value) if value else default
    except ValueError:
        number = math.nan
    if not low <= number <= high:
        raise SettingsError(f"{_variable(name)}={value!r}: expected a number from {low:g} to {high:g}")
    return number


def _secret(environ: Mapping[str, str]) -> str:
    """The secret from its variable or its file; empty when neither is there."""
    source, value = "SHOP_TOKEN_SECRET", environ.get("SHOP_TOKEN_SECRET", "")
    if not value and (named := environ.get("SHOP_TOKEN_SECRET_FILE", "")):
        source = f"SHOP_TOKEN_SECRET_FILE={named}"
        try:
            value = Path(named).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"{source}: cannot be read ({error}); expected the secret in it") from error
    if (value or source != "SHOP_TOKEN_SECRET") and len(value) < SECRET_LENGTH:
        raise SettingsError(f"{source}: {len(value)} characters, expected at least {SECRET_LENGTH}")
    return value
