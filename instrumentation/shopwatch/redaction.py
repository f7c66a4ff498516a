"""Secrets and personal data masked in text and in fields, before either leaves the process.

Masked in text: card numbers (13 to 19 digits that pass Luhn's check), e-mail addresses, credentials of an
``Authorization`` header, JSON web tokens, keys of well-known shapes, the values of what is called a
password, secret, token or the like (``key=value``, JSON, query strings), and user names and passwords in
URLs. Masked in fields: the values of those whose name says so. Every pattern runs in time linear in the
text, and only where something in the text could be one of its secrets.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

MASK: Final = "[redacted]"

_NAMES: Final = (
    r"pass(?:word|wd|phrase)?|pwd|secret|token|api[_-]?key|apikey|access[_-]?key|private[_-]?key|signature|sig"
    r"|client[_-]?secret|authorization|cookie|set-cookie|session(?:[_-]?id)?|csrf|otp|pin|cvv|cvc|card[_-]?number"
    r"|iban|ssn|credential(?:s)?"
)
_SECRET_FIELD: Final = re.compile(rf"(?:^|[._-])(?:x[_-])?(?:[a-z0-9]+[_-])?(?:{_NAMES})$", re.IGNORECASE)
_DIGITS: Final = re.compile("[0-9]{4}")  # every usual way of writing a card's number has four in a row
_CARD: Final = re.compile(r"(?<![\w.-])[2-6](?:[ -]?\d){12,18}(?![\w-])(?!\.\d)")
_EMAIL: Final = re.compile(r"(?<![\w.%+-])[\w.%+-]{1,64}@(?:[\w-]{1,63}\.){1,8}[A-Za-z]{2,24}(?![\w-])")
_KEY_VALUE: Final = re.compile(
    rf"(?i)(?P<key>(?<![a-z0-9])(?:[a-z0-9]{{1,32}}[_-])?(?:{_NAMES})(?![a-z0-9]))"
    r"(?P<between>[\"']?\s{0,4}[=:]\s{0,4})"
    r"(?P<value>\"(?:[^\"\\]|\\.){0,4096}\"?|'(?:[^'\\]|\\.){0,4096}'?"
    r"|(?:(?:bearer|basic|digest|token) )?[^\s,;&\"'<>)\]}]{1,4096})"
)
_SCHEME: Final = re.compile(r"(?i)\b(?P<scheme>bearer|basic) [A-Za-z0-9+/=._~-]{8,4096}")
_JWT: Final = re.compile(r"\beyJ[A-Za-z0-9_-]{8,4096}\.[A-Za-z0-9_-]{2,4096}(?:\.[A-Za-z0-9_-]{0,4096})?")
_USERINFO: Final = re.compile(r"(?<=://)[^\s/@:\"']{0,256}:[^\s/@\"']{1,256}(?=@)")
_SHAPES: Final = re.compile(
    r"\b(?:(?:sk|pk|rk)_(?:live|test)_[A-Za-z0-9]{8,128}|A(?:KIA|SIA)[A-Z0-9]{16}|gh[opsu]_[A-Za-z0-9]{20,255}"
    r"|xox[abprs]-[A-Za-z0-9-]{10,128})\b"
)
_PRIVATE_KEY: Final = re.compile(
    r"-----BEGIN [A-Z ]{0,32}PRIVATE KEY-----[A-Za-z0-9+/=\s\\]{0,16384}"
    r"(?:-----END [A-Z ]{0,32}PRIVATE KEY-----)?"
)
_DEEPEST: Final = 16  # levels of nested values


@dataclass(frozen=True, slots=True, kw_only=True)
class Redactor:
    """Masks secrets.

    ``patterns`` are masked beside the built-in ones, wherever they match; ``names`` are further fields
    (compared in lower case) whose values are masked.
    """

    patterns: tuple[re.Pattern[str], ...] = ()
    names: frozenset[str] = field(default_factory=frozenset)

    def text(self, value: str) -> str:
        """The text with every secret in it masked."""
        value = _masked(value)
        for pattern in self.patterns:
            value = pattern.sub(MASK, value)
        return value

    def is_secret(self, name: str) -> bool:
        """Whether a field of this name holds a secret."""
        return name.lower() in self.names or _SECRET_FIELD.search(name) is not None

    def fields(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """The fields with secrets masked, in nested mappings and sequences too."""
        return {name: self.field(name, value) for name, value in fields.items()}

    def field(self, name: str, value: Any, depth: int = 0) -> Any:  # noqa: ANN401 - whatever a service logs
        """One field's value."""
        if self.is_secret(name) and value is not None and not isinstance(value, bool):
            return MASK
        if isinstance(value, str):
            return self.text(value)
        if depth > _DEEPEST:
            return MASK
        if isinstance(value, Mapping):
            return {key: self.field(str(key), inner, depth + 1) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            return [self.field("", inner, depth + 1) for inner in value]
        return value


DEFAULT: Final = Redactor()

_LITERAL: Final = re.compile(r"'(?:[^'\\]|\\.|'')*'|(?<![\w$:.])-?\d+(?:\.\d+)?(?![\w.])", re.DOTALL)


def without_literals(statement: str) -> str:
    """A statement of SQL with ``?`` for its literals, which may be customers' data.

    Semantic conventions, db.query.text: literals should be replaced by ``?``.
    """
    return _LITERAL.sub("?", statement)


def redactor(patterns: Iterable[str], names: Iterable[str]) -> tuple[Redactor, tuple[str, ...]]:
    """A redactor with rules of a team's own, and what was wrong with them.

    Args:
        patterns: regular expressions, in Python's syntax; each match is masked.
        names: fields whose values are masked.
    """
    compiled: list[re.Pattern[str]] = []
    problems: list[str] = []
    for pattern in patterns:
        try:
            compiled.append(re.compile(pattern))
        except re.error as error:
            problems.append(
                f"SHOPWATCH_REDACT={pattern!r} is not usable ({error}): expected a regular expression; "
                "going on without it"
            )
    return Redactor(patterns=tuple(compiled), names=frozenset(map(str.lower, names))), tuple(problems)


def _masked(value: str) -> str:
    """Each pattern only where a text holds what no match can do without: most texts hold none of it."""
    if "://" in value:
        value = _USERINFO.sub(MASK, value)
    if "PRIVATE KEY" in value:
        value = _PRIVATE_KEY.sub(MASK, value)
    if "=" in value or ":" in value:
        value = _KEY_VALUE.sub(_mask_value, value)
    if "earer " in value or "asic " in value:
        value = _SCHEME.sub(rf"\g<scheme> {MASK}", value)
    if "eyJ" in value:
        value = _JWT.sub(MASK, value)
    if "_" in value or "AKIA" in value or "ASIA" in value or "xox" in value:
        value = _SHAPES.sub(MASK, value)
    if "@" in value:
        value = _EMAIL.sub(MASK, value)
    return value if _DIGITS.search(value) is None else _CARD.sub(_mask_card, value)


def _mask_value(match: re.Match[str]) -> str:
    value = match["value"]
    if MASK[:-1] in value:
        return match[0]
    quote = value[0] if value[0] in "\"'" else ""
    closed = quote if quote and len(value) > 1 and value.endswith(quote) else ""
    return f"{match['key']}{match['between']}{quote}{MASK}{closed}"


def _mask_card(match: re.Match[str]) -> str:
    return MASK if is_card(match[0]) else match[0]


def is_card(number: str) -> bool:
    """Whether the digits of a text could be a card's number (ISO/IEC 7812-1, annex B: Luhn)."""
    digits = [int(digit) for digit in number if digit.isdigit()]
    doubled = (2 * digit - 9 * (digit > 4) for digit in digits[-2::-2])
    return len(set(digits)) > 1 and (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0
