"""Which libraries are watched: each is as soon as the service imports it, and none before.

Knows each library's hook by name alone, so that nothing is imported that the service does not use.
"""

from __future__ import annotations

import importlib
import logging
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType, ModuleType
from typing import Final

from opentelemetry.trace import TracerProvider

from shopwatch import catalogue
from shopwatch.hooks import contrib
from shopwatch.hooks.call import guarded
from shopwatch.hooks.patching import Patches
from shopwatch.settings import ALL_HOOKS

_logger: Final = logging.getLogger(catalogue.SCOPE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """How one library is watched.

    ``library`` is what the service imports, ``watch`` our ``module:function`` (empty where there are spans
    only), ``traced`` OpenTelemetry's ``module:class`` of each instrumentation.
    """

    library: str
    watch: str = ""
    traced: tuple[str, ...] = ()


HOOKS: Final[Mapping[str, tuple[Hook, ...]]] = MappingProxyType(
    {
        "requests": (
            Hook(library="requests", watch="requests:watch", traced=("requests:RequestsInstrumentor",)),
        ),
        "httpx": (Hook(library="httpx", watch="httpx:watch", traced=("httpx:HTTPXClientInstrumentor",)),),
        "urllib3": (Hook(library="urllib3", watch="urllib3:watch", traced=("urllib3:URLLib3Instrumentor",)),),
        "aiohttp": (
            Hook(
                library="aiohttp", watch="aiohttp:watch", traced=("aiohttp_client:AioHttpClientInstrumentor",)
            ),
        ),
        "sqlalchemy": (Hook(library="sqlalchemy", watch="sqlalchemy:watch"),),  # traced engine by engine
        "psycopg": (
            Hook(library="psycopg", watch="psycopg:watch", traced=("psycopg:PsycopgInstrumentor",)),
            Hook(library="psycopg_pool", watch="psycopg:watch_pool"),
        ),
        "asyncpg": (Hook(library="asyncpg", watch="asyncpg:watch", traced=("asyncpg:AsyncPGInstrumentor",)),),
        "redis": (Hook(library="redis", watch="redis:watch", traced=("redis:RedisInstrumentor",)),),
        "pymemcache": (
            Hook(
                library="pymemcache", watch="pymemcache:watch", traced=("pymemcache:PymemcacheInstrumentor",)
            ),
        ),
        "boto3": (
            Hook(library="botocore", watch="botocore:watch", traced=("botocore:BotocoreInstrumentor",)),
            Hook(library="boto3", watch="sqs:watch", traced=("boto3sqs:Boto3SQSInstrumentor",)),
        ),
        "grpc": (
            Hook(
                library="grpc",
                watch="grpc:watch",
                traced=("grpc:GrpcInstrumentorClient", "grpc:GrpcAioInstrumentorClient"),
            ),
        ),
        "pika": (Hook(library="pika", watch="pika:watch", traced=("pika:PikaInstrumentor",)),),
        "aio-pika": (
            Hook(library="aio_pika", watch="aio_pika:watch", traced=("aio_pika:AioPikaInstrumentor",)),
        ),
        "structlog": (Hook(library="structlog", watch="structlog:watch"),),
        "celery": (Hook(library="celery", watch="celery:watch", traced=("celery:CeleryInstrumentor",)),),
    }
)
"""By the name that the settings and the extras of this distribution use."""
_OF_EXPORTERS: Final = frozenset(("requests", "urllib3", "grpc"))
"""Libraries that the exporters import, so that a service may have them without a use for them."""

_on: Final[dict[Hook, Patches]] = {}
_wanted: Final[set[Hook]] = set()
_registered: Final[set[Hook]] = set()


def on(names: Collection[str], provider: TracerProvider | None = None) -> None:
    """Watch libraries: those that are imported now, and the others when they are.

    Args:
        names: of ``HOOKS``; ``all`` for all of them, ``none`` for none.
        provider: makes the spans; the process' own when None. One that records nothing still has the
            trace of the caller passed on.
    """
    chosen = HOOKS if ALL_HOOKS in names else {name: HOOKS[name] for name in names if name in HOOKS}
    for name, hooks in chosen.items():
        for hook in hooks:
            _wanted.add(hook)
            _when_imported(name, hook, provider)


def off() -> None:
    """Watch none any more."""
    _wanted.clear()
    for patches in reversed(_on.values()):
        patches.undo()
    _on.clear()


def _when_imported(name: str, hook: Hook, provider: TracerProvider | None) -> None:
    if hook.library in sys.modules:
        _begin(name, hook, provider)
    elif hook not in _registered:
        from wrapt.importer import register_post_import_hook  # noqa: PLC0415 - slow to load

        _registered.add(hook)

        def imported(_: ModuleType) -> None:
            _registered.discard(hook)
            if hook in _wanted:
                _begin(name, hook, provider)

        register_post_import_hook(imported, hook.library)


def _begin(name: str, hook: Hook, provider: TracerProvider | None) -> None:
    """Put the hook on; the instrumentation that makes spans goes around ours, or beside it."""
    if hook in _on:
        return
    patches = _on[hook] = Patches()
    if hook.watch:
        with guarded(f"watching {hook.library}"):
            module, _, function = hook.watch.partition(":")
            getattr(importlib.import_module(f"{__package__}.{module}"), function)(patches, provider)
    for instrumentation in hook.traced:
        with guarded(f"tracing {hook.library}"):
            module, _, instrumentor = instrumentation.partition(":")
            if not contrib.switch_on(patches, module, instrumentor, provider):
                level = logging.DEBUG if name in _OF_EXPORTERS else logging.INFO
                _logger.log(
                    level, "calls of %s are timed, not traced: install shopwatch[%s]", hook.library, name
                )
