"""Puts the parts together: from settings to a service that runs. The only place that knows them all."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import random
import signal
import socket
from collections.abc import Coroutine, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from starlette.applications import Starlette

from shopwatch_engine.api import create_api
from shopwatch_engine.clock import SystemClock
from shopwatch_engine.core.incidents import Desk
from shopwatch_engine.definitions import Settings, load_routing, load_rules
from shopwatch_engine.evidence import Gatherer, Links
from shopwatch_engine.exceptions import CannotListen, StoreFailed
from shopwatch_engine.metrics import EngineMetrics
from shopwatch_engine.model import Action, RecordRule, Routing, RuleSet
from shopwatch_engine.outbox import Outbox
from shopwatch_engine.pagers import make_pager
from shopwatch_engine.patience import Patience
from shopwatch_engine.ports import Pager, Store
from shopwatch_engine.runtime.engine import Engine
from shopwatch_engine.sources import EmbeddedSource, PrometheusSource
from shopwatch_engine.steps import Checkpoint, Step, walk_on
from shopwatch_engine.store import open_store

LOG = logging.getLogger(__name__)
_SQLITE = "sqlite:///"
_OWN_RUNBOOKS = Path(__file__).parent / "runbooks"


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """An engine with its definitions read, ready to run.

    Reading comes first: nothing is opened, and no state touched, while a definition is wrong.
    """

    settings: Settings
    rules: RuleSet
    routing: Routing
    checkpoint: Checkpoint = walk_on

    @classmethod
    def of(cls, settings: Settings, *, checkpoint: Checkpoint = walk_on) -> Service:
        """Read the definitions that the settings name.

        Raises:
            DefinitionError: with every mistake that was found.
        """
        rules = load_rules(settings.rules, default_interval_s=settings.evaluation_interval_s)
        return cls(
            settings=settings, rules=rules, routing=load_routing(settings.routing), checkpoint=checkpoint
        )

    async def run(self, stopping: asyncio.Event) -> None:
        """Work until ``stopping`` is set.

        Raises:
            StoreError: the store cannot be opened, or is lost.
            CannotListen: the address to listen on is taken.
        """
        with contextlib.closing(_listener(self.settings.listen)) as listener:
            store = open_store(self.settings.store)
            try:
                await self._run(store, listener, stopping)
            finally:
                await store.close()

    async def _run(self, store: Store, listener: socket.socket, stopping: asyncio.Event) -> None:
        registry = _registry()
        metrics = EngineMetrics(registry)
        source = PrometheusSource(self.settings.prometheus, timeout_s=self.settings.query_timeout_s)
        pagers = {one.id: make_pager(one) for one in self.routing.integrations.values()}
        engine = self._engine(store, source, metrics, self._outbox(store, source, metrics, pagers))
        api = create_api(
            engine=engine,
            store=store,
            registry=registry,
            runbooks=(*(_folder(path) / "runbooks" for path in self.settings.rules), _OWN_RUNBOOKS),
            grafana=self.settings.grafana,
        )
        recording = sum(isinstance(rule, RecordRule) for group in self.rules.groups for rule in group.rules)
        if recording:
            LOG.warning("%d recording rule(s) are left to Prometheus; load them there", recording)
        LOG.info(
            "evaluating %d alert rules in %d groups on %s; API on http://%s",
            len(self.rules.alert_rules),
            len(self.rules.groups),
            source.address,
            self.settings.listen,
        )
        try:
            await _until(stopping, engine.run(), _serve(api, listener))
        finally:
            await source.close()
            await asyncio.gather(*(pager.close() for pager in pagers.values()))

    @property
    def _links(self) -> Links:
        shown = self.settings.prometheus_external_url or self.settings.prometheus
        return Links(prometheus_url=shown, jaeger_url=self.settings.jaeger)

    def _outbox(
        self, store: Store, source: PrometheusSource, metrics: EngineMetrics, pagers: Mapping[str, Pager]
    ) -> Outbox:
        clock = SystemClock()
        telemetry = _telemetry(self.settings.telemetry)
        gather = Gatherer(
            metrics=source,
            logs=telemetry,
            traces=telemetry,
            links=self._links,
            clock=clock,
        )
        return Outbox(
            store=store,
            pagers=pagers,
            gather=gather,
            clock=clock,
            uniform=random.SystemRandom().random,
            metrics=metrics,
            patience=Patience(metrics),
            checkpoint=self.checkpoint,
        )

    def _engine(
        self, store: Store, source: PrometheusSource, metrics: EngineMetrics, outbox: Outbox
    ) -> Engine:
        clock = SystemClock()
        links = self._links
        desk = Desk(
            receivers=self.routing.receivers,
            external_url=self.settings.external_url or f"http://{self.settings.listen}",
            generator_url=lambda expr: links.graph(expr, at=clock.now()),
        )
        return Engine(
            rules=self.rules,
            root=self.routing.root,
            desk=desk,
            source=source,
            store=store,
            outbox=outbox,
            clock=clock,
            metrics=metrics,
            patience=Patience(metrics),
            unknown_after_s=self.settings.unknown_after_s,
            retention_s=self.settings.retention_s,
            scrape_interval_s=self.settings.scrape_interval_s,
            checkpoint=self.checkpoint,
        )


def checkpoint_of(environ: Mapping[str, str]) -> Checkpoint:
    """For crash tests: ``SHOPWATCH_KILL_AT=after-send:trigger`` ends the process there with SIGKILL."""
    wanted = environ.get("SHOPWATCH_KILL_AT", "")
    if not wanted:
        return walk_on

    def kill(step: Step, action: Action) -> None:
        if f"{step.value}:{action.value}" == wanted:
            os.kill(os.getpid(), signal.SIGKILL)

    return kill


async def _until(stopping: asyncio.Event, *work: Coroutine[None, None, None]) -> None:
    """Do all the work until told to stop; what fails first ends the rest and is raised alone."""
    tasks = [asyncio.create_task(one) for one in work]
    stop = asyncio.create_task(stopping.wait())
    done, _ = await asyncio.wait({*tasks, stop}, return_when=asyncio.FIRST_COMPLETED)
    for task in (*tasks, stop):
        task.cancel()
    await asyncio.gather(*tasks, stop, return_exceptions=True)
    for task in done - {stop}:
        _raise_first(task.exception() if not task.cancelled() else None)


def _raise_first(error: BaseException | None) -> None:
    """Raise the first error inside a group; the others follow from it."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if error is not None:
        raise error


class _Server(uvicorn.Server):
    """A server that leaves signals to the service."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Not ours to take."""
        yield


async def _serve(api: Starlette, listener: socket.socket) -> None:
    config = uvicorn.Config(api, log_level="warning", access_log=False, lifespan="off")
    await _Server(config).serve(sockets=[listener])


def _listener(listen: str) -> socket.socket:
    host, _, port = listen.rpartition(":")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host.strip("[]"), int(port)), family=family)
    except OSError as error:
        raise CannotListen(
            f"cannot listen on {listen}: {error.strerror or error}; name another with --listen"
        ) from error


def _telemetry(url: str) -> EmbeddedSource | None:
    if not url:
        return None
    if not url.startswith(_SQLITE):
        raise StoreFailed(
            f"telemetry {url!r} is not sqlite:///FILE, the file that `shopwatch collector` writes"
        )
    return EmbeddedSource(Path(url.removeprefix(_SQLITE)))


def _folder(path: Path) -> Path:
    return path if path.is_dir() else path.parent


def _registry() -> CollectorRegistry:
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry
