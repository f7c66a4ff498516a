"""What an HTTP answer, the lack of one, or the lack of a key means for a page: taken, try again, or never.

Reasons name the pager, the status and a short piece of its answer; never a key.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

import requests

from shopwatch_engine.exceptions import PagerError
from shopwatch_engine.model import Integration, Secret
from shopwatch_engine.pagers.fitting import one_line

ANSWER_LIMIT: Final = 300
"""Length of a pager's answer, as far as an error quotes it."""
READ_LIMIT: Final = 4096
"""Bytes of a refusal that are read at all."""
LONGEST_WAIT_S: Final = 900.0
"""A pager that asks for longer is asked again after this: a page must not wait for a wrong header."""
_WRONG_ADDRESS: Final = (
    requests.exceptions.MissingSchema,
    requests.exceptions.InvalidSchema,
    requests.exceptions.InvalidURL,
)
_RETRIED_4XX: Final = frozenset({408, 429})


def usable_key(vendor: str, integration: Integration) -> str:
    """The integration's key, revealed.

    Raises:
        PagerError: there is none, or it holds what no key holds (a line break of a file, say).
    """
    key = integration.key.reveal()
    if not key:
        raise PagerError(f"{vendor} has no key at {integration.id}: set one", retry=False)
    if not (key.isascii() and key.isprintable() and " " not in key):
        wrong = "blanks, line breaks or characters outside ASCII"
        raise PagerError(f"the key of {integration.id} for {vendor} holds {wrong}: mend it", retry=False)
    return key


def is_taken(status: int) -> bool:
    """Whether a status says that the request was taken."""
    return 200 <= status < 300


def may_retry(status: int) -> bool:
    """Whether sending the same again can help: not after a 4xx, but for a time-out (408) and a limit (429).

    A redirect is not followed (it would carry the key elsewhere and turn a POST into a GET); as it may
    be a passing one, it is tried again.
    """
    return not is_taken(status) and (not 400 <= status < 500 or status in _RETRIED_4XX)


def retry_after_s(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds that ``Retry-After`` (seconds or HTTP date) asks to wait, 0 to LONGEST_WAIT_S."""
    text = headers.get("Retry-After", "").strip()
    seconds = _seconds(text) if text else None
    if seconds is None:
        seconds = _seconds_until(text, now) if text else None
    return None if seconds is None else min(max(seconds, 0.0), LONGEST_WAIT_S)


def refusal(vendor: str, response: requests.Response, key: Secret, now: float) -> PagerError:
    """The error that an answer outside 2xx stands for. Reads no more of it than it quotes."""
    status = response.status_code
    try:
        body = next(response.iter_content(READ_LIMIT), b"")
    except requests.RequestException:
        body = b""  # the status is what counts
    said = quoted(body.decode("utf-8", "replace"), key)
    reason = f"{vendor} answered {status}" + (f": {said}" if said else "")
    return PagerError(reason, retry=may_retry(status), retry_after_s=retry_after_s(response.headers, now))


def unreachable(vendor: str, error: Exception, timeout_s: float) -> PagerError:
    """The error that no answer stands for.

    A library's own message may hold headers, and so the key: only its kind is told.
    """
    if isinstance(error, requests.Timeout):
        return PagerError(f"{vendor} did not answer within {timeout_s:g} s", retry=True)
    if isinstance(error, _WRONG_ADDRESS):
        return PagerError(f"the address of {vendor} is no http or https address: check it", retry=False)
    return PagerError(f"{vendor} cannot be reached ({_kind(error)})", retry=True)


def quoted(text: str, key: Secret) -> str:
    """A short piece of an answer on one line, with the key masked wherever it stands."""
    secret = key.reveal()
    return one_line(text.replace(secret, "***") if secret else text, ANSWER_LIMIT)


def _seconds(text: str) -> float | None:
    return float(text) if text.isascii() and text.replace(".", "", 1).isdigit() else None


def _seconds_until(text: str, now: float) -> float | None:
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp() - now


def _kind(error: Exception) -> str:
    """The innermost cause's class: ConnectionRefusedError says more than ConnectionError."""
    cause: BaseException = error
    while (inner := cause.__cause__ or cause.__context__ or _reason(cause)) is not None:
        cause = inner
    return type(cause).__name__


def _reason(error: BaseException) -> BaseException | None:
    candidates = (getattr(error, "reason", None), *error.args[:1])
    return next((one for one in candidates if isinstance(one, BaseException)), None)
