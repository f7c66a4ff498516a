"""What the hooks of HTTP clients share: one exchange, as ``http.client.request.duration`` has it."""

from __future__ import annotations

from shopwatch import catalogue
from shopwatch.hooks.call import Call
from shopwatch.hooks.peer import peer_of, peer_of_url


def to_url(method: object, url: str) -> Call:
    """An exchange with who is at an address."""
    return _exchange(method, peer_of_url(url))


def to_host(method: object, host: str, port: int | None) -> Call:
    """An exchange with a host."""
    return _exchange(method, peer_of(host, port))


def _exchange(method: object, peer: str) -> Call:
    text = str(method).upper()
    known = text if text in catalogue.HTTP_METHODS else catalogue.OTHER
    attributes = {catalogue.HTTP_METHOD: known, catalogue.PEER_SERVICE: peer}
    return Call(catalogue.HTTP_CLIENT_DURATION, attributes)


def answered(call: Call, status: int) -> None:
    """The answer's status; 400 and above is an error to who asked (semantic conventions, HTTP client)."""
    call.attributes[catalogue.HTTP_STATUS] = str(status)
    if status >= 400:
        call.failed(str(status))
