"""What must not reach a page: keys, passwords, tokens, card numbers, e-mail addresses. Pure.

Meant for what services wrote into logs and spans. It rather hides a word too many than one too few.
"""

from __future__ import annotations

import re
from typing import Final

MASK: Final = "***"
_READ_LIMIT: Final = 8_000
"""Characters that are looked at: patterns must not run over a megabyte of somebody's log line."""
_HALF_SECRET: Final = 64
"""Characters: longer than any secret that is not known by its name or its beginning."""

_SENSITIVE: Final = (
    r"passw(?:or)?d|passwd|passphrase|pwd|secret(?:[_-]?key)?|token|api[_-]?key|access[_-]?key|private[_-]?key|"
    r"routing[_-]?key|authorization|credentials?|session[_-]?id|sessionid|cookie|signature|cvv2?|cvc|pin|iban"
)
_GIVEN: Final = rf"((?:\b|_|(?<=[a-z])(?-i:(?=[A-Z])))(?:{_SENSITIVE})[\"']?\s*[:=]\s*)"
_SENSITIVE_NAME: Final = re.compile(rf"(?<![a-z0-9])(?:{_SENSITIVE})(?![a-z0-9])", re.IGNORECASE)
_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")

_PATTERNS: Final[tuple[tuple[re.Pattern[str], str], ...]] = (
    # a whole private key
    (
        re.compile(
            r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL
        ),
        MASK,
    ),
    # the credentials in an address
    (re.compile(r"(?<=://)[^\s/@]+@"), f"{MASK}@"),
    # Authorization: Bearer ..., in a header or on its own
    (re.compile(r"(?i)(authorization[\"']?\s*[:=]\s*[\"']?)(?:[a-z]+\s+)?[^\s\"',;]+"), rf"\1{MASK}"),
    (re.compile(r"(?i)\b(bearer|basic)\s+(?=\S*[\d=._-])[\w.~+/=-]{6,}"), rf"\1 {MASK}"),
    # all of a cookie header
    (re.compile(r"(?i)\b((?:set-)?cookie[\"']?\s*:\s*)[^\r\n]+"), rf"\1{MASK}"),
    # whatever is given under a name that says it is secret
    (re.compile(rf"(?i){_GIVEN}([\"'])(?:(?!\2).){{0,512}}\2"), rf"\1\2{MASK}\2"),
    (re.compile(rf"(?i){_GIVEN}(?![\"']\*\*\*)[^\s&,;}})\]]+"), rf"\1{MASK}"),
    # JSON Web Tokens, and keys that carry their maker's prefix
    (re.compile(r"\beyJ[\w-]{5,}\.[\w-]+(?:\.[\w-]*)?"), MASK),
    (
        re.compile(
            r"\b(?:(?:sk|pk|rk)_(?:live|test)_\w{8,}|gh[pousr]_\w{16,}|xox[abprs]-[\w-]{8,}|AKIA[0-9A-Z]{16})\b"
        ),
        MASK,
    ),
    (re.compile(r"(?<![\w.+%-])[\w.+%-]+@[\w-]+(?:\.[\w-]+)+"), f"{MASK}@{MASK}"),
)
_CARD: Final = re.compile(r"(?<![\w.])\d(?:[ -]?\d){12,18}(?!\w)")


def redacted(text: str, *, limit: int) -> str:
    """The text with its secrets masked, and cut to ``limit`` characters."""
    is_cut = len(text) > _READ_LIMIT
    text = text[:_READ_LIMIT]
    for pattern, mask in _PATTERNS:
        text = pattern.sub(mask, text)
    text = _CARD.sub(_masked_card, text)
    if is_cut:  # the end may be a secret's first half, which no pattern knows
        text = f"{text[:-_HALF_SECRET]}…"
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def names_secret(name: str) -> bool:
    """Whether a field of this name holds a secret, whatever its value looks like."""
    return bool(_SENSITIVE_NAME.search(_CAMEL.sub("_", name)))


def is_card_number(digits: str) -> bool:
    """Whether digits end in the check digit of ISO/IEC 7812 (Luhn's)."""
    doubled = [int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits))]
    return sum(number - 9 * (number > 9) for number in doubled) % 10 == 0


def _masked_card(found: re.Match[str]) -> str:
    digits = "".join(filter(str.isdigit, found[0]))
    return MASK if is_card_number(digits) else found[0]
