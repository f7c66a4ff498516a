"""``service.peer.name`` of who is called: the name that the settings give its address, else its host."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from shopwatch import catalogue, telemetry

_MOST: Final = (
    100  # hosts without a name that are told apart; a caller may choose a host, such as a webhook's
)
_hosts: Final[set[str]] = set()


def peer_of(host: str, port: int | None = None) -> str:
    """The peer's name.

    Args:
        host: as the caller writes it.
        port: None for the scheme's own.
    """
    peers = telemetry.current().settings.peers
    named = peers.get(f"{host}:{port}") or peers.get(host)
    return named or _bounded(host)


def peer_of_url(url: str) -> str:
    """The name of the peer at an address; ``_OTHER`` for what is no address."""
    try:
        parts = urlsplit(url)
        return peer_of(parts.hostname or "", parts.port)
    except ValueError:
        return catalogue.OTHER


def _bounded(host: str) -> str:
    if host in _hosts:
        return host
    if not host or len(_hosts) >= _MOST:
        return catalogue.OTHER
    _hosts.add(host)
    return host
