"""``instrument`` and ``start``: the only places that set what is global in a process.

These are OpenTelemetry's tracer provider, the root logger's handler, the telemetry that ``record`` and
the hooks use, and the end at exit. Set up logging before them: when the root logger has handlers by
then, they stay the only console output; when it has none, JSON lines go to stdout at INFO.
"""

from __future__ import annotations

import atexit
import contextlib
import inspect
import logging
import sys
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, replace
from enum import Enum
from functools import partial
from types import MappingProxyType
from typing import Any, Final, Protocol, TextIO, TypeVar, cast, runtime_checkable
from weakref import WeakSet

from opentelemetry import propagate
from prometheus_client import (
    GC_COLLECTOR,
    PROCESS_COLLECTOR,
    REGISTRY,
    CollectorRegistry,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
)

from shopwatch import catalogue, settings, telemetry
from shopwatch.drain import Drain
from shopwatch.health import OK, Check, Readiness, ReadinessProbe
from shopwatch.hooks import switch
from shopwatch.logs import LogPipe
from shopwatch.metrics import Instruments
from shopwatch.metrics_server import MetricsServer
from shopwatch.middleware.asgi import ASGIApp, ASGIMiddleware
from shopwatch.middleware.django import Handler, note_routes
from shopwatch.middleware.endpoints import Endpoints
from shopwatch.middleware.flask import note_errors
from shopwatch.middleware.wsgi import WSGIApp, WSGIMiddleware
from shopwatch.runtime import Runtime
from shopwatch.settings import Settings
from shopwatch.telemetry import Telemetry

_logger: Final = logging.getLogger(catalogue.SCOPE)
_access: Final = logging.getLogger(catalogue.ACCESS_LOGGER)
_NO_CHECKS: Final[Mapping[str, Check]] = MappingProxyType({})

_served: Final[dict[int, MetricsServer]] = {}
_described: Final[WeakSet[CollectorRegistry]] = WeakSet()

App = TypeVar("App")


class _Kind(Enum):
    """The two interfaces, by the number of their arguments."""

    ASGI = 3
    WSGI = 2


@runtime_checkable
class _Flask(Protocol):
    """What tells a Flask application: it keeps its WSGI callable where it can be wrapped."""

    wsgi_app: WSGIApp
    import_name: str


@runtime_checkable
class _Framework(Protocol):
    """What Starlette and FastAPI applications have in common."""

    build_middleware_stack: Callable[[], ASGIApp]
    middleware_stack: ASGIApp | None


def instrument(  # noqa: PLR0913 - all by keyword
    app: App,
    *,
    service: str | None = None,
    version: str | None = None,
    environment: str | None = None,
    track: str | None = None,
    peers: Mapping[str, str] | None = None,
    environ: Mapping[str, str] | None = None,
    registry: CollectorRegistry | None = None,
    readiness: Mapping[str, Check] = _NO_CHECKS,
) -> App:
    """Watch an ASGI or WSGI application: metrics, traces, logs, ``/metrics``, ``/healthz`` and ``/readyz``.

    Configuration never raises: a value that is not usable is logged with what was expected, and the
    default is used. Arguments win over the environment.

    Args:
        app: a FastAPI, Starlette, Litestar, Flask or Django application, or any ASGI or WSGI callable.
        service: ``service.name``; else ``OTEL_SERVICE_NAME``.
        version: ``service.version``; else from ``OTEL_RESOURCE_ATTRIBUTES``.
        environment: ``deployment.environment.name``; else from ``OTEL_RESOURCE_ATTRIBUTES``.
        track: ``stable``, ``canary``, ``blue`` or ``green``; else ``SHOPWATCH_TRACK``.
        peers: names of the services that it calls, by ``host`` or ``host:port``; else ``SHOPWATCH_PEERS``,
            else their hosts.
        environ: read instead of ``os.environ``.
        registry: where metrics are registered; prometheus_client's default registry when None.
        readiness: checks of ``/readyz`` by name; each returns or awaits a bool, within a second.

    Returns:
        The same object for a FastAPI, Starlette or Flask application, a wrapper for a callable.

    Raises:
        TypeError: ``app`` is neither an ASGI nor a WSGI application.
    """
    kind = _kind(app)
    if isinstance(app, _Framework) and isinstance(app.build_middleware_stack, _Stack):
        return app
    if isinstance(app, _Flask) and isinstance(app.wsgi_app, WSGIMiddleware):
        return app
    ours = settings.read(
        environ, service=service, version=version, environment=environment, track=track, peers=peers
    )
    watched = _set_up(ours, registry)
    probe = _probe(watched, readiness)
    _serve_apart(watched, probe)
    return _install(kind, app, watched, probe)


def start(  # noqa: PLR0913 - all by keyword
    *,
    service: str | None = None,
    version: str | None = None,
    environment: str | None = None,
    track: str | None = None,
    peers: Mapping[str, str] | None = None,
    environ: Mapping[str, str] | None = None,
    registry: CollectorRegistry | None = None,
    metrics_port: int | None = None,
    metrics_address: str | None = None,
    readiness: Mapping[str, Check] = _NO_CHECKS,
) -> Telemetry:
    """Watch a process that is no web service, such as a queue's worker.

    Args:
        service: as for ``instrument``, like ``version``, ``environment``, ``track``, ``environ`` and
            ``registry``.
        version: ``service.version``.
        environment: ``deployment.environment.name``.
        track: the release track.
        peers: as for ``instrument``.
        environ: read instead of ``os.environ``.
        registry: where metrics are registered.
        metrics_port: serve ``/metrics``, ``/healthz`` and ``/readyz`` here, from a thread; else
            ``SHOPWATCH_METRICS_PORT``; not served when neither is set. A port that is taken is taken over
            once it is free.
        metrics_address: the interface to serve on; else ``SHOPWATCH_METRICS_ADDRESS``.
        readiness: checks of ``/readyz``, as for ``instrument``.

    Returns:
        The process' telemetry; its ``ending.close`` sends what waits, and is called at exit.
    """
    ours = settings.read(
        environ, service=service, version=version, environment=environment, track=track, peers=peers
    )
    if metrics_port is not None:
        ours = replace(ours, metrics_port=metrics_port)
    if metrics_address is not None:
        ours = replace(ours, metrics_address=metrics_address)
    made = _set_up(ours, registry)
    _serve_apart(made, _probe(made, readiness))
    return made


def _serve_apart(watched: Telemetry, probe: ReadinessProbe) -> None:
    """Serve the library's endpoints on a port of their own, if the settings name one; once a port."""
    ours = watched.settings
    if ours.metrics_port is None or ours.metrics_port in _served:
        return
    with watched.guard.over("serving metrics"):
        endpoints = Endpoints(watched, probe)
        _served[ours.metrics_port] = MetricsServer(
            ours.metrics_address, ours.metrics_port, endpoints.on_own_port
        )


def install(app: App, watched: Telemetry, readiness: Mapping[str, Check] = _NO_CHECKS) -> App:
    """Put the middleware outermost into an application, with telemetry that is set up already.

    Raises:
        TypeError: as ``instrument``.
    """
    return _install(_kind(app), app, watched, _probe(watched, readiness))


def _probe(watched: Telemetry, readiness: Mapping[str, Check]) -> ReadinessProbe:
    ours = watched.settings
    report = partial(_report, watched)
    return ReadinessProbe(readiness, ours.health_timeout_s, ttl_s=ours.health_ttl_s, report=report)


def _report(watched: Telemetry, said: Readiness) -> None:
    """Tell as metrics what the checks said."""
    bound = watched.instruments.bound
    with watched.guard.over("telling of readiness"):
        bound(catalogue.READY).series(()).set(said.ready)
        for name, result in said.checks.items():
            bound(catalogue.CHECK_STATUS).series((name,)).set(result == OK)
            bound(catalogue.CHECK_DURATION).series((name,)).observe(said.seconds.get(name, 0.0))


def _install(kind: _Kind, app: App, watched: Telemetry, probe: ReadinessProbe) -> App:
    if isinstance(app, Handler):
        note_routes(app)
    if isinstance(app, _Flask):
        app.wsgi_app = WSGIMiddleware(app.wsgi_app, telemetry=watched, readiness=probe)
        note_errors(app)
        return app
    if kind is _Kind.WSGI:
        return cast("App", WSGIMiddleware(cast("WSGIApp", app), telemetry=watched, readiness=probe))

    def wrap(inner: ASGIApp) -> ASGIApp:
        return ASGIMiddleware(inner, telemetry=watched, readiness=probe)

    if not isinstance(app, _Framework):
        return cast("App", wrap(cast("ASGIApp", app)))
    app.build_middleware_stack = _Stack(app.build_middleware_stack, wrap)
    if app.middleware_stack is not None:  # it has served already
        app.middleware_stack = wrap(app.middleware_stack)
    _quiet_native_spans(app)
    return app


def set_up(
    *,
    registry: CollectorRegistry | None = None,
    readiness: Mapping[str, Check] = _NO_CHECKS,
    **given: Any,  # noqa: ANN401 - for settings.read, which has their types
) -> tuple[Telemetry, ReadinessProbe]:
    """What a middleware that is added by hand needs; the keywords are those of ``instrument``."""
    watched = _set_up(settings.read(**given), registry)
    probe = _probe(watched, readiness)
    _serve_apart(watched, probe)
    return watched, probe


class ShopwatchMiddleware(ASGIMiddleware):
    """For those who add middleware by hand: ``app.add_middleware(ShopwatchMiddleware, service="orders")``.

    It should be the outermost, so the last that is added. The keywords are those of ``instrument``.
    """

    def __init__(self, app: ASGIApp, **given: Any) -> None:  # noqa: ANN401 - of set_up
        watched, probe = set_up(**given)
        super().__init__(app, telemetry=watched, readiness=probe)


@dataclass(frozen=True, slots=True)
class _Stack:
    """Builds an application's middleware with ours around it, whatever is added later."""

    build: Callable[[], ASGIApp]
    wrap: Callable[[ASGIApp], ASGIApp]

    def __call__(self) -> ASGIApp:
        return self.wrap(self.build())


def _quiet_native_spans(app: object) -> None:
    """Keep a FastAPI that traces by itself from making each server span, and its trace, a second time.

    It does so as soon as the process has a tracer provider. One that was given a provider is left alone.
    """
    config = getattr(app, "_telemetry", None)
    if isinstance(config, MutableMapping) and config.get("tracer_provider") is None:
        config["tracing"] = False


def _kind(app: object) -> _Kind:
    """ASGI or WSGI, by how many arguments a callable takes.

    Raises:
        TypeError: it is neither.
    """
    if isinstance(app, _Framework):
        return _Kind.ASGI
    if isinstance(app, _Flask):
        return _Kind.WSGI
    if callable(app):
        for kind in _Kind:
            if _takes(app, kind.value):
                return kind
    raise TypeError(
        f"instrument() got {app!r} of type {type(app).__name__}; expected a FastAPI, Starlette, Litestar, "
        "Flask or Django application, or a callable: ASGI's (scope, receive, send) or WSGI's "
        "(environ, start_response)"
    )


def _takes(app: Callable[..., object], count: int) -> bool:
    try:
        inspect.signature(app).bind(*[None] * count)
    except TypeError:
        return False
    except ValueError:  # a callable that tells no signature: take it as it is
        return True
    return True


def _set_up(ours: Settings, registry: CollectorRegistry | None) -> Telemetry:
    made = assemble(ours, registry=registry)
    atexit.register(made.ending.close)
    if made.drain is not None:
        made.drain.arm()
    for problem in (*ours.problems, *made.problems):
        _logger.warning("%s", problem)
    return made


def assemble(ours: Settings, *, registry: CollectorRegistry | None = None) -> Telemetry:
    """Make a service's telemetry and make it the process' own.

    Args:
        ours: the settings.
        registry: as for ``instrument``.
    """
    made = telemetry.plain(ours, registry)
    guard = made.guard
    with guard.over("describing the process"):
        made.instruments.describe_target(ours.resource)
        _collect_process(made.instruments)
    pipe = _set_up_logging(made)
    with guard.over("setting up export"):
        from shopwatch import pipeline  # noqa: PLC0415 - the exporters are slow to load

        made = pipeline.connect(made, pipeline.exporters_of(ours), pipe, globally=True)
    made = _watch_process(made)
    propagate.set_global_textmap(made.propagator)
    before = telemetry.use(made)
    if before is not None and before.runtime is not None:
        before.runtime.close()
    with guard.over("watching libraries"):
        switch.on(ours.hooks, made.provider)
    return made


def _watch_process(made: Telemetry) -> Telemetry:
    """Runtime metrics, and the drain at its end."""
    ready = made.instruments.bound(catalogue.READY).series(())
    drain = Drain(made.settings.drain_s, begun=partial(ready.set, 0), last_words=made.ending.close)
    runtime = None
    with made.guard.over("watching the process"):
        if made.settings.runtime_metrics:
            runtime = Runtime(made.instruments, made.guard, made.settings.resource)
    return replace(made, drain=drain, runtime=runtime)


def _collect_process(instruments: Instruments) -> None:
    """What prometheus_client tells of a process, which dashboards know by its names.

    Of several processes, those of one that happens to be asked would mislead: there are sums instead.
    """
    registry = instruments.registry
    if registry in _described:
        return
    _described.add(registry)
    if registry is not REGISTRY:
        PlatformCollector(registry=registry)
        for collector in () if instruments.shared else (ProcessCollector, GCCollector):
            collector(registry=registry)
    elif instruments.shared:
        for default in (PROCESS_COLLECTOR, GC_COLLECTOR):
            with contextlib.suppress(KeyError):  # the service has unregistered it
                registry.unregister(default)


def _set_up_logging(made: Telemetry) -> LogPipe:
    root = logging.getLogger()
    for earlier in [handler for handler in root.handlers if isinstance(handler, LogPipe)]:
        root.removeHandler(earlier)
    stream: TextIO | None = None
    if not root.handlers:
        stream = sys.stdout
        level = logging.getLevelNamesMapping()[made.settings.log_level]
        root.setLevel(min(root.level, level) or level)
    pipe = made.pipe(stream)
    root.handlers.insert(0, pipe)
    if _access.level == logging.NOTSET:
        _access.setLevel(logging.INFO)
    return pipe
