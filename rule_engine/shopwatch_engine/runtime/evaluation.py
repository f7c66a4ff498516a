"""Asking a metric source what a group's rules say, in as few queries as is good.

A batch that fails because of one of its rules is halved until the rule is found; from then on that rule
is asked alone. A batch that fails because the source does fails as a whole: asking in pieces would only
add to the load.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping

from shopwatch_engine.core.batch import BATCH_SIZE, Batch, batches, split
from shopwatch_engine.exceptions import SourceError
from shopwatch_engine.model import AlertRule, Sample
from shopwatch_engine.ports import MetricSource
from shopwatch_engine.promql import describe

LOG = logging.getLogger(__name__)

Answer = tuple[Sample, ...] | SourceError


class Evaluator:
    """Asks one source.

    Args:
        source: what is asked.
        width: how many queries are under way at once.
        batch_size: how many rules a query holds at most.
    """

    def __init__(self, source: MetricSource, *, width: int = 4, batch_size: int = BATCH_SIZE) -> None:
        self._source = source
        self._batch_size = batch_size
        self._turns = asyncio.Semaphore(width)
        self._spoilers: set[str] = set()

    async def ask(self, rules: Iterable[AlertRule], at: float) -> Mapping[str, Answer]:
        """What each rule says at a time, or why it could not be asked; by rule id."""
        planned = batches(rules, batchable=self._is_batchable, size=self._batch_size)
        answers = await asyncio.gather(*(self._ask(batch, at) for batch in planned))
        return {rule_id: answer for part in answers for rule_id, answer in part.items()}

    async def _ask(self, batch: Batch, at: float) -> Mapping[str, Answer]:
        try:
            async with self._turns:
                samples = await self._source.query(batch.query, at)
            return split(batch, samples)
        except SourceError as error:
            return await self._blame(batch, error, at)
        except Exception as error:  # a fault of ours holds these rules' alerts; the others go on
            LOG.exception("a query of %d rules failed inside the engine", len(batch.rules))
            inside = SourceError(f"{type(error).__name__} inside the engine", culprit=True)
            return await self._blame(batch, inside, at)

    async def _blame(self, batch: Batch, error: SourceError, at: float) -> Mapping[str, Answer]:
        if len(batch.rules) > 1 and error.culprit:
            first, second = batch.halves()
            return {**await self._ask(first, at), **await self._ask(second, at)}
        if error.culprit:
            self._spoilers.add(batch.rules[0].id)
        return {rule.id: error for rule in batch.rules}

    def _is_batchable(self, rule: AlertRule) -> bool:
        return rule.id not in self._spoilers and describe(rule.expr).result_type == "vector"
