"""Many rules in one query and back, told apart by a real parser and a source that understands batches."""

from __future__ import annotations

import math
from collections.abc import Callable

import promql_parser
import pytest

from alert_values import rule, sample
from shopwatch_engine.core.batch import BATCH_SIZE, MARK, Batch, batch_of, batches, split
from shopwatch_engine.model import AlertRule, Sample
from shopwatch_engine.testing.sources import FakeMetricSource

ANY: Callable[[AlertRule], bool] = lambda _rule: True  # noqa: E731 - a value for a parameter


def some(count: int) -> list[AlertRule]:
    return [rule(f"Rule{index}") for index in range(count)]


def depth(node: object) -> int:
    """How many ``or`` lie above the deepest leaf."""
    while isinstance(node, promql_parser.ParenExpr):
        node = node.expr
    if isinstance(node, promql_parser.BinaryExpr) and str(node.op) == "or":
        return 1 + max(depth(node.lhs), depth(node.rhs))
    return 0


@pytest.mark.parametrize("count", [2, 3, 7, 31, 32, 50])
def test_the_tree_is_as_shallow_as_can_be(count: int) -> None:
    tree = promql_parser.parse(batch_of(some(count)).query)
    assert depth(tree) == math.ceil(math.log2(count))


def test_a_single_rule_is_asked_as_it_is_written() -> None:
    one = rule(expr="sum(rate(errors_total[5m])) # by hand")
    assert batch_of([one]).query == one.expr


EXPRESSIONS = [
    "up == 0 # a comment at the end",
    "a > 1 or b > 1",
    "sum by (service) (rate(errors_total[5m]))\n  / sum by (service) (rate(requests_total[5m])) > 0.05",
    'label_replace(up, "x", "$1", "y", "(.*)") # } ) "',
    "-up",
    "vector(1) unless on () up",
]


async def test_a_batch_answers_what_its_rules_answer_alone() -> None:
    rules = [rule(f"Rule{index}", expr=expr) for index, expr in enumerate(EXPRESSIONS)]
    answers = {
        expr: (sample(float(index), zone="a"), sample(float(index), zone="b"))
        for index, expr in enumerate(EXPRESSIONS)
    }
    source = FakeMetricSource(answers)
    batch = batch_of(rules)
    together = split(batch, await source.query(batch.query, 0.0))
    alone = {one.id: await source.query(one.expr, 0.0) for one in rules}
    assert together == alone
    assert all(MARK not in found.labels.as_dict() for answer in together.values() for found in answer)


def test_a_rule_without_an_answer_has_an_empty_one() -> None:
    batch = batch_of(some(3))
    answer = split(batch, [sample(2.0, **{MARK: "1", "zone": "a"})])
    assert answer == {"shop/Rule0": (), "shop/Rule1": (sample(2.0, zone="a"),), "shop/Rule2": ()}


def test_halves_hold_every_rule_once_in_order() -> None:
    rules = some(7)
    first, second = batch_of(rules).halves()
    assert (*first.rules, *second.rules) == tuple(rules)
    assert (len(first.rules), len(second.rules)) == (3, 4)
    assert [one.query for one in batch_of(rules[:2]).halves()] == [rules[0].expr, rules[1].expr]


def sizes(made: tuple[Batch, ...]) -> list[int]:
    return [len(batch.rules) for batch in made]


@pytest.mark.parametrize(
    ("count", "wanted"),
    [(0, []), (1, [1]), (BATCH_SIZE, [BATCH_SIZE]), (BATCH_SIZE + 1, [BATCH_SIZE, 1]), (120, [50, 50, 20])],
)
def test_batches_are_full(count: int, wanted: list[int]) -> None:
    assert sizes(batches(some(count), batchable=ANY)) == wanted


def test_every_rule_is_in_exactly_one_batch() -> None:
    rules = [rule(f"Rule{i}", lookback_s=float(i * 300)) for i in range(100)]
    made = batches(rules, batchable=lambda one: int(one.name[4:]) % 7 != 0, size=10)
    assert sorted(one.name for batch in made for one in batch.rules) == sorted(one.name for one in rules)
    assert max(sizes(made)) <= 10


RANGES = [0.0, 300.0, 600.0, 601.0, 3600.0, 3601.0, 21_600.0, 21_601.0, 86_400.0]


def test_long_ranges_are_asked_apart_short_ones_first() -> None:
    rules = [rule(f"Rule{index}", lookback_s=lookback) for index, lookback in enumerate(reversed(RANGES))]
    made = batches(rules, batchable=ANY)
    assert [sorted(one.lookback_s for one in batch.rules) for batch in made] == [
        [0.0, 300.0, 600.0],
        [601.0, 3600.0],
        [3601.0, 21_600.0],
        [21_601.0, 86_400.0],
    ]


def test_what_cannot_be_batched_is_asked_alone() -> None:
    rules = some(4)
    made = batches(rules, batchable=lambda one: one.name not in {"Rule1", "Rule2"})
    assert [tuple(one.name for one in batch.rules) for batch in made] == [
        ("Rule0", "Rule3"),
        ("Rule1",),
        ("Rule2",),
    ]


STRANGE = {
    "no mark": sample(1.0, zone="a"),
    "a mark that is no number": sample(1.0, **{MARK: "x"}),
    "a mark of no rule": sample(1.0, **{MARK: "2"}),
}


@pytest.mark.parametrize("strange", STRANGE.values(), ids=STRANGE)
def test_an_answer_to_another_question_is_not_taken_for_one(strange: Sample) -> None:
    with pytest.raises((ValueError, IndexError)):
        split(batch_of(some(2)), [strange])
