"""Deciding, committing and remembering: one at a time, so that each decision stands on the one before.

A decision is computed from the board, committed as one transaction, and only then taken over by the
board. If the engine dies in between, the next one finds all of it or nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from shopwatch_engine.clock import Clock
from shopwatch_engine.core.board import Board, belongs, is_open
from shopwatch_engine.core.incidents import Desk, Plan, absorb, flush
from shopwatch_engine.core.observe import observe
from shopwatch_engine.core.settling import Settling, failed
from shopwatch_engine.core.state import Observation, RulePass, advance
from shopwatch_engine.exceptions import SourceError
from shopwatch_engine.model import Alert, AlertRule, AlertState, Changes, RuleHealth
from shopwatch_engine.patience import Patience
from shopwatch_engine.ports import Store
from shopwatch_engine.runtime.evaluation import Answer
from shopwatch_engine.steps import Checkpoint, Step

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One rule's part of a pass: what became of its alerts, or of its health."""

    step: RulePass = RulePass()  # noqa: RUF009 - frozen, and empty
    health: RuleHealth | None = None
    is_failure: bool = False


class Ledger:
    """The only place that changes what the engine knows; calls ``owing`` when deliveries were committed."""

    def __init__(
        self,
        *,
        board: Board,
        desk: Desk,
        store: Store,
        patience: Patience,
        clock: Clock,
        settling: Settling,
        owing: Callable[[], None],
        checkpoint: Checkpoint,
    ) -> None:
        self.board = board
        self.changed = asyncio.Event()  # set whenever the next look at a group may have moved
        self._desk = desk
        self._store = store
        self._patience = patience
        self._clock = clock
        self._checkpoint = checkpoint
        self._turn = asyncio.Lock()
        self._settling = settling
        self._owing = owing

    async def enter(
        self, answers: Mapping[str, Answer], rules: Iterable[AlertRule], *, at: float, limit: int = 0
    ) -> int:
        """Enter a pass's answers; how many of its rules failed."""
        async with self._turn:
            readings = [self._read(rule, answers[rule.id], at=at, limit=limit) for rule in rules]
            await self._enter(readings)
        return sum(reading.is_failure for reading in readings)

    async def flush(self) -> None:
        """Tell the groups that are due."""
        async with self._turn:
            await self._commit(flush(self.board, self._desk, now=self._clock.now()))

    async def retire(self, known: Iterable[str]) -> None:
        """Resolve the alerts of rules that the definitions have no more."""
        gone = set(self.board.rule_ids()) - set(known)
        alerts = [alert for rule_id in gone for alert in self.board.tracked(rule_id).values()]
        if alerts:
            LOG.warning("resolving %d alert(s) of rules that are no more: %s", len(alerts), sorted(gone))
        async with self._turn:
            await self._enter([Reading(step=_retired(alerts, self._clock.now()))])

    async def adopt(self) -> None:
        """Take alerts into the groups that the routing gives them now; it may have changed meanwhile.

        Without this an alert that fires on would be in a group that nobody opened an incident for.
        """
        alerts = [one for one in self.board.alerts() if belongs(one) and self._is_astray(one)]
        async with self._turn:
            await self._enter([Reading(step=RulePass(changed=tuple(alerts)))])

    def _is_astray(self, alert: Alert) -> bool:
        groups = self.board.groups(alert.labels)
        return not all(is_open(self.board.incidents.get(group.dedup_key)) for group in groups)

    def _read(self, rule: AlertRule, answer: Answer, *, at: float, limit: int) -> Reading:
        health = self.board.health.get(rule.id)
        try:
            observations = self._observed(rule, answer, limit)
        except SourceError as error:
            return self._failure(rule, health, error, at)
        except Exception as error:  # a fault of ours holds this rule's alerts; the others go on
            LOG.exception("rule %s failed inside the engine", rule.id)
            return self._failure(rule, health, SourceError(f"{type(error).__name__} inside the engine"), at)
        better = self._settling.recovered(rule, health, now=at)
        settled = self._settling.is_over(rule, better or health, now=at)
        step = advance(rule, self.board.tracked(rule.id), observations, now=at, settled=settled)
        return Reading(step=step, health=better)

    def _observed(self, rule: AlertRule, answer: Answer, limit: int) -> tuple[Observation, ...]:
        if isinstance(answer, SourceError):
            raise answer
        observations = observe(rule, answer, external_url=self._desk.external_url)
        if limit and len(observations) > limit:
            raise SourceError(f"{len(observations)} alerts, more than the group's limit of {limit}")
        return observations

    def _failure(self, rule: AlertRule, health: RuleHealth | None, error: SourceError, at: float) -> Reading:
        after = failed(rule, health, error=error.reason, now=at)
        if health is None or health.failing_since is None:
            LOG.error("rule %s cannot be evaluated, its alerts are held: %s", rule.id, error.reason)
        return Reading(health=after if after != health else None, is_failure=True)

    async def _enter(self, readings: list[Reading]) -> None:
        alerts = [alert for reading in readings for alert in reading.step.changed]
        plan = absorb(self.board, self._desk, alerts=alerts, now=self._clock.now())
        changes = replace(
            plan.changes,
            forgotten=(*plan.changes.forgotten, *(key for one in readings for key in one.step.forgotten)),
            health=tuple(reading.health for reading in readings if reading.health is not None),
        )
        await self._commit(replace(plan, changes=changes))
        for reading in readings:
            self.board.refresh(reading.step.refreshed)

    async def _commit(self, plan: Plan) -> None:
        if plan.changes:
            self._pass_by(Step.BEFORE_COMMIT, plan.changes)
            await self._patience(lambda: self._store.commit(plan.changes))
            self._pass_by(Step.AFTER_COMMIT, plan.changes)
            _tell(plan.changes)
            self.board.apply(plan.changes)
        self.board.look_again(plan.quiet)
        if plan.changes.incidents or plan.quiet:
            self.changed.set()
        if plan.changes.deliveries:
            self._owing()

    def _pass_by(self, step: Step, changes: Changes) -> None:
        for delivery in changes.deliveries:
            self._checkpoint(step, delivery.action)


def _retired(alerts: Iterable[Alert], now: float) -> RulePass:
    """As if the condition of every one of these were gone."""
    ended, forgotten = [], []
    for alert in alerts:
        if alert.state.is_firing:
            ended.append(replace(alert, state=AlertState.RESOLVED, resolved_at=now))
        elif alert.state is AlertState.PENDING:
            forgotten.append(alert.key)
    return RulePass(changed=tuple(ended), forgotten=tuple(forgotten))


def _tell(changes: Changes) -> None:
    for alert in changes.alerts:
        LOG.info("alert %s %s", alert.state.value, alert.labels)
    for incident in changes.incidents:
        LOG.info("incident %s %s: %s", incident.status.value, incident.dedup_key, incident.title)
