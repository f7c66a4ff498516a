"""Asking a source: batches, and finding the rule that spoils one."""

from __future__ import annotations

import asyncio
import math

import pytest

from alert_values import rule, sample
from shopwatch_engine.exceptions import SourceError
from shopwatch_engine.model import AlertRule, Exemplar, Sample
from shopwatch_engine.runtime.evaluation import Evaluator
from shopwatch_engine.simulation.loop import run_virtually
from shopwatch_engine.testing.sources import FakeMetricSource

BAD = SourceError("execution: many-to-many matching not allowed", culprit=True)
DOWN = SourceError("connection refused")


def some(count: int, **fields: float) -> list[AlertRule]:
    return [rule(f"Rule{index}", expr=f"metric_{index} > 0", **fields) for index in range(count)]


def source_of(rules: list[AlertRule]) -> FakeMetricSource:
    return FakeMetricSource({one.expr: (sample(float(i), zone="a"),) for i, one in enumerate(rules)})


async def test_many_rules_are_one_query() -> None:
    rules = some(50)
    source = source_of(rules)
    answers = await Evaluator(source).ask(rules, 100.0)
    assert answers == {one.id: (sample(float(i), zone="a"),) for i, one in enumerate(rules)}
    assert [at for _, at in source.queries] == [100.0]


async def test_the_culprit_is_found_the_others_are_answered_and_next_time_it_is_asked_alone() -> None:
    rules = some(32)
    source = source_of(rules)
    source.tell(rules[13].expr, BAD)
    evaluator = Evaluator(source)

    answers = await evaluator.ask(rules, 100.0)
    assert {rule_id for rule_id, answer in answers.items() if isinstance(answer, SourceError)} == {
        rules[13].id
    }
    assert answers[rules[13].id] is BAD
    assert answers[rules[14].id] == (sample(14.0, zone="a"),)
    assert len(source.queries) == 1 + 2 * math.log2(32)

    source.queries.clear()
    again = await evaluator.ask(rules, 115.0)
    assert again == answers
    assert len(source.queries) == 2
    assert [expr for expr, _ in source.queries if expr == rules[13].expr] == [rules[13].expr]


async def test_two_culprits_are_both_found() -> None:
    rules = some(16)
    source = source_of(rules)
    source.tell(rules[0].expr, BAD)
    source.tell(rules[15].expr, BAD)
    evaluator = Evaluator(source)
    answers = await evaluator.ask(rules, 100.0)
    failed = [rule_id for rule_id, answer in answers.items() if isinstance(answer, SourceError)]
    assert failed == [rules[0].id, rules[15].id]
    source.queries.clear()
    await evaluator.ask(rules, 115.0)
    assert len(source.queries) == 3


async def test_a_culprit_that_mends_is_answered() -> None:
    rules = some(4)
    source = source_of(rules)
    source.tell(rules[1].expr, BAD)
    evaluator = Evaluator(source)
    await evaluator.ask(rules, 100.0)
    source.tell(rules[1].expr, (sample(7.0),))
    answers = await evaluator.ask(rules, 115.0)
    assert answers[rules[1].id] == (sample(7.0),)


async def test_a_source_that_is_away_is_not_asked_in_pieces() -> None:
    rules = some(120)
    source = source_of(rules)
    source.down = DOWN
    answers = await Evaluator(source).ask(rules, 100.0)
    assert len(source.queries) == 3
    assert all(answers[one.id] is DOWN for one in rules)


async def test_a_batch_that_fails_leaves_the_others_alone() -> None:
    short, long = some(3), [rule("Long", expr="long > 0", lookback_s=86_400.0)]
    source = source_of(short)
    source.tell("long > 0", DOWN)
    answers = await Evaluator(source).ask([*short, *long], 100.0)
    assert answers["shop/Long"] is DOWN
    assert answers["shop/Rule2"] == (sample(2.0, zone="a"),)


async def test_a_scalar_is_asked_alone() -> None:
    rules = [*some(3), rule("Scalar", expr="vector(1) > 0"), rule("Time", expr="time() > bool 5")]
    source = source_of(rules)
    await Evaluator(source).ask(rules, 100.0)
    assert min(len(expr) for expr, _ in source.queries) == len("time() > bool 5")
    assert len(source.queries) == 2


class Odd:
    """A source with a fault that no port allows, for a query that names one metric."""

    def __init__(self, inner: FakeMetricSource, fault: Exception | tuple[Sample, ...]) -> None:
        self.inner = inner
        self.fault = fault

    async def query(self, expr: str, at: float) -> tuple[Sample, ...]:
        if "metric_2 " in expr:
            if isinstance(self.fault, Exception):
                raise self.fault
            return self.fault
        return await self.inner.query(expr, at)

    async def exemplars(self, expr: str, start: float, end: float) -> tuple[Exemplar, ...]:
        return await self.inner.exemplars(expr, start, end)


async def test_an_unexpected_fault_holds_its_rule_alone(caplog: pytest.LogCaptureFixture) -> None:
    rules = some(8)
    source = Odd(source_of(rules), KeyError("secret=hunter2"))
    answers = await Evaluator(source).ask(rules, 100.0)
    failed = {rule_id: str(answer) for rule_id, answer in answers.items() if isinstance(answer, SourceError)}
    assert failed == {"shop/Rule2": "KeyError inside the engine"}
    assert "failed inside the engine" in caplog.text


async def test_samples_that_bear_no_mark_are_never_given_to_a_rule() -> None:
    rules = some(8)
    source = Odd(source_of(rules), (sample(1.0, zone="stray"),))
    answers = await Evaluator(source).ask(rules, 100.0)
    strays = [rule_id for rule_id, answer in answers.items() if answer == (sample(1.0, zone="stray"),)]
    assert strays == ["shop/Rule2"]  # asked alone, it is its own answer
    assert all(not isinstance(answer, SourceError) for answer in answers.values())


def test_no_more_queries_at_once_than_allowed() -> None:
    class Counting(FakeMetricSource):
        most = at_once = 0

        async def query(self, expr: str, at: float) -> tuple[Sample, ...]:
            self.at_once += 1
            self.most = max(self.most, self.at_once)
            await asyncio.sleep(1.0)
            self.at_once -= 1
            return await super().query(expr, at)

    async def main() -> None:
        source = Counting()
        await Evaluator(source, width=3, batch_size=1).ask(some(10), 100.0)
        assert source.most == 3
        assert asyncio.get_running_loop().time() == pytest.approx(4.0)

    run_virtually(main(), seed=1)


async def test_no_rules_no_queries() -> None:
    source = FakeMetricSource()
    assert await Evaluator(source).ask([], 100.0) == {}
    assert source.queries == []
