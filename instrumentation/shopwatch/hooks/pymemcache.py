"""pymemcache: every command is timed; look-ups count as hits or misses."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from pymemcache.client.base import Client

from shopwatch.hooks import db_call
from shopwatch.hooks.cache_result import looked_up, looked_up_in
from shopwatch.hooks.call import Call, timed
from shopwatch.hooks.patching import Patches

SYSTEM: Final = "memcached"
_ONE: Final = ("get", "gat")
_ONE_WITH_TOKEN: Final = ("gets", "gats")
_MANY: Final = ("get_many", "gets_many")
_OTHERS: Final = (
    "set",
    "set_many",
    "add",
    "replace",
    "append",
    "prepend",
    "cas",
    "delete",
    "delete_many",
    "incr",
    "decr",
    "touch",
    "flush_all",
)


def watch(patches: Patches, _: object = None) -> None:
    """Time the base client's commands; pooled, hashed and retrying clients end in it."""
    for name in (*_ONE, *_ONE_WITH_TOKEN, *_OTHERS):
        patches.around(Client, name, timed(partial(_begin, name), _ANSWERED.get(name, _nothing)))
    for name in _MANY:
        patches.around(Client, name, timed(partial(_begin_many, name), _found_many))


class _Many(Call):
    """A look-up of several keys."""

    __slots__ = ("asked",)
    asked: int


def _begin(name: str, *_: object, **__: object) -> Call:
    return db_call.operation(SYSTEM, name.upper())


def _begin_many(name: str, _client: object, keys: Sequence[object], *_: object, **__: object) -> Call:
    plain = db_call.operation(SYSTEM, name.upper())
    call = _Many(plain.metric, plain.attributes)
    call.asked = len(keys)
    return call


def _found(call: Call, value: object) -> None:
    del call
    looked_up_in(SYSTEM, (value,))


def _found_with_token(call: Call, pair: tuple[object, object]) -> None:
    del call
    looked_up_in(SYSTEM, pair[:1])


def _found_many(call: Call, found: Any) -> None:
    if isinstance(call, _Many):
        looked_up(SYSTEM, len(found), call.asked)


def _nothing(call: Call, result: object) -> None:
    """A command that looks nothing up."""


_ANSWERED: Final = {
    **dict.fromkeys(_ONE, _found),
    **dict.fromkeys(_ONE_WITH_TOKEN, _found_with_token),
}
