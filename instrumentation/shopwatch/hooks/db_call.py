"""What the hooks of databases and caches share: one operation, as ``db.client.operation.duration`` has it."""

from __future__ import annotations

from typing import Final

from shopwatch import catalogue
from shopwatch.hooks.call import Call

_QUERIES: Final = ("SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "WITH", "CALL", "COPY")
_DEFINITIONS: Final = ("CREATE", "ALTER", "DROP", "TRUNCATE", "PRAGMA", "BEGIN", "COMMIT", "ROLLBACK")
_WORDS: Final = frozenset(_QUERIES + _DEFINITIONS)
_LONGEST: Final = 32


def operation(system: str, name: str) -> Call:
    """An operation of a database."""
    attributes = {catalogue.DB_SYSTEM: system, catalogue.DB_OPERATION: name}
    return Call(catalogue.DB_CLIENT_DURATION, attributes)


def statement(system: str, text: object) -> Call:
    """A statement of SQL; only its first word is looked at, since the rest may hold customers' data."""
    return operation(system, first_word(text))


def first_word(text: object) -> str:
    """The statement's first word; ``_OTHER`` for one that is not known."""
    words = text.split(None, 1) if isinstance(text, str) else []
    word = words[0].upper() if words else ""
    return word if word in _WORDS else catalogue.OTHER


def command(name: object) -> str:
    """The name of a cache's command; ``_OTHER`` for what cannot be one."""
    text = name.decode("ascii", "replace") if isinstance(name, bytes) else str(name)
    word = text.split(None, 1)[0].upper() if text.strip() else ""
    return word if len(word) <= _LONGEST and word.replace(".", "").isalpha() else catalogue.OTHER
