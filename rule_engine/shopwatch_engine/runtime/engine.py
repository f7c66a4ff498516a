"""The engine's tasks: a pass for each group on its grid, the groups' flushes, the outbox, its own watch."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from shopwatch_engine.clock import Clock
from shopwatch_engine.core.board import Board
from shopwatch_engine.core.incidents import Desk
from shopwatch_engine.core.selfwatch import evaluation_failing, failing_groups
from shopwatch_engine.core.settling import Settling
from shopwatch_engine.metrics import EngineMetrics
from shopwatch_engine.model import AlertState, Route, RuleGroup, RuleSet
from shopwatch_engine.outbox import EVIDENCE, PAGES, Outbox
from shopwatch_engine.patience import Patience
from shopwatch_engine.ports import MetricSource, Store
from shopwatch_engine.runtime.evaluation import Evaluator
from shopwatch_engine.runtime.grid import missed, next_pass, offset_s
from shopwatch_engine.runtime.ledger import Ledger
from shopwatch_engine.steps import Checkpoint, walk_on

LOG = logging.getLogger(__name__)
_PRUNE_EVERY_S = 3600.0


@dataclass(kw_only=True)
class Engine:
    """From definitions to deliveries.

    Args:
        rules: the groups to evaluate.
        root: the routing tree.
        desk: the receivers and the addresses that pages link to.
        source: answers the rules' expressions.
        store: state, incidents and outbox.
        outbox: delivers.
        clock: tells the time.
        metrics: the engine's own.
        patience: with a busy store.
        unknown_after_s: how long rules may fail before that is an alert of its own.
        scrape_interval_s: the longest scrape interval of what the rules read.
        retention_s: how long resolved incidents are kept.
        checkpoint: stands at the named steps.
    """

    rules: RuleSet
    root: Route
    desk: Desk
    source: MetricSource
    store: Store
    outbox: Outbox
    clock: Clock
    metrics: EngineMetrics
    patience: Patience
    unknown_after_s: float = 300.0
    scrape_interval_s: float = 60.0
    retention_s: float = 90 * 86400.0
    checkpoint: Checkpoint = walk_on
    board: Board | None = field(default=None, init=False)

    @property
    def is_ready(self) -> bool:
        """Whether what was committed before is loaded, so that passes may begin."""
        return self.board is not None

    async def run(self) -> None:
        """Work until cancelled.

        Raises:
            StoreFailed: the store is lost; nothing that was committed is. Once the tasks are at work it
                comes inside an exception group, as asyncio's task groups raise.
        """
        snapshot = await self.patience(self.store.load)
        self.board = Board(self.root, snapshot)
        ledger = Ledger(
            board=self.board,
            desk=self.desk,
            store=self.store,
            patience=self.patience,
            clock=self.clock,
            settling=Settling(began_at=self.clock.now(), scrape_interval_s=self.scrape_interval_s),
            owing=self.outbox.wake,
            checkpoint=self.checkpoint,
        )
        own = evaluation_failing(self.unknown_after_s)
        await ledger.retire({own.id, *(rule.id for rule in self.rules.alert_rules)})
        await ledger.adopt()
        evaluator = Evaluator(self.source)
        async with asyncio.TaskGroup() as tasks:
            for group in self.rules.groups:
                tasks.create_task(self._watch(group, evaluator, ledger))
            tasks.create_task(self._watch_itself(ledger))
            tasks.create_task(self._dispatch(ledger))
            tasks.create_task(self._prune())
            tasks.create_task(self.outbox.run(PAGES))
            tasks.create_task(self.outbox.run(EVIDENCE))

    async def _watch(self, group: RuleGroup, evaluator: Evaluator, ledger: Ledger) -> None:
        rules = group.alert_rules
        if not rules:
            return

        async def one_pass(at: float) -> None:
            begun = self.clock.now()
            answers = await evaluator.ask(rules, at - group.query_offset_s)
            failures = await ledger.enter(answers, rules, at=at, limit=group.limit)
            self.metrics.passed(
                group.name,
                succeeded=len(rules) - failures,
                failed=failures,
                duration_s=max(self.clock.now() - begun, 0.0),
            )

        await self._on_grid(
            group.name, group.interval_s, offset_s(group.file, group.name, group.interval_s), one_pass
        )

    async def _watch_itself(self, ledger: Ledger) -> None:
        rule = evaluation_failing(self.unknown_after_s)
        interval_s = min((group.interval_s for group in self.rules.groups), default=15.0)

        async def one_pass(at: float) -> None:
            samples = failing_groups(self.rules.groups, ledger.board.health)
            await ledger.enter({rule.id: samples}, (rule,), at=at)
            self.metrics.alerts(_by_state(ledger.board))

        await self._on_grid(rule.group, interval_s, 0.0, one_pass)

    async def _on_grid(
        self, name: str, interval_s: float, offset: float, one_pass: Callable[[float], Awaitable[None]]
    ) -> None:
        """A pass at each time of the grid; those that an earlier one overran are counted, not made up."""
        last: float | None = None
        while True:
            at = next_pass(self.clock.now(), interval_s, offset)
            if last is not None and missed(last, at, interval_s):
                self.metrics.missed(name, missed(last, at, interval_s))
            await asyncio.sleep(max(at - self.clock.now(), 0.0))
            await one_pass(at)
            last = at

    async def _prune(self) -> None:
        """Forget, once an hour, what was over long ago."""
        while True:
            pruned = await self.patience(lambda: self.store.prune(before=self.clock.now() - self.retention_s))
            if pruned:
                LOG.info("forgot %d incident(s) that were resolved long ago", pruned)
            await asyncio.sleep(_PRUNE_EVERY_S)

    async def _dispatch(self, ledger: Ledger) -> None:
        """Flush groups when they are due."""
        while True:
            ledger.changed.clear()
            due_at = ledger.board.next_flush_at()
            try:
                async with asyncio.timeout(None if due_at is None else max(due_at - self.clock.now(), 0.0)):
                    await ledger.changed.wait()
            except TimeoutError:
                await ledger.flush()


def _by_state(board: Board) -> dict[str, int]:
    counts = Counter(alert.state for alert in board.alerts())
    shown = (AlertState.PENDING, AlertState.FIRING, AlertState.KEEP_FIRING)
    failing = {one.rule_id for one in board.health.values() if one.failing_since is not None}
    unknown = sum(alert.rule_id in failing for alert in board.alerts())
    return {**{state.value: counts[state] for state in shown}, "unknown": unknown}
