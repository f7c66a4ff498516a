"""Many rules in one query: each rule's answer is marked with a label, and split by it again.

A balanced tree of ``or``: a flat chain is quadratic in its results. Rules with long ranges go in
batches of their own, so that they do not hold up the short ones. A batch of 50 is as good as any more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from shopwatch_engine.model import AlertRule, Sample

MARK: Final = "__rule__"
BATCH_SIZE: Final = 50
_RANGE_CLASSES_S: Final = (600.0, 3600.0, 6 * 3600.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Rules that are asked in one query; of a single one the query is its own expression."""

    rules: tuple[AlertRule, ...]
    query: str = field(repr=False)

    def halves(self) -> tuple[Batch, Batch]:
        """The batch split in two, to find the rule that spoils it."""
        middle = len(self.rules) // 2
        return batch_of(self.rules[:middle]), batch_of(self.rules[middle:])


def batches(
    rules: Iterable[AlertRule], *, batchable: Callable[[AlertRule], bool], size: int = BATCH_SIZE
) -> tuple[Batch, ...]:
    """All the rules in as few queries as is good for them; those not batchable in one each."""
    alone: list[Batch] = []
    by_range: dict[int, list[AlertRule]] = {}
    for rule in rules:
        if batchable(rule):
            by_range.setdefault(_range_class(rule.lookback_s), []).append(rule)
        else:
            alone.append(batch_of((rule,)))
    together = [
        batch_of(members[start : start + size])
        for _, members in sorted(by_range.items())
        for start in range(0, len(members), size)
    ]
    return (*together, *alone)


def batch_of(rules: Sequence[AlertRule]) -> Batch:
    """These rules in one query."""
    if len(rules) == 1:
        return Batch(rules=tuple(rules), query=rules[0].expr)
    marked = [_marked(rule.expr, str(index)) for index, rule in enumerate(rules)]
    return Batch(rules=tuple(rules), query=_tree(marked))


def split(batch: Batch, samples: Iterable[Sample]) -> dict[str, tuple[Sample, ...]]:
    """A batch's answer by rule id; a rule without an answer has an empty one."""
    if len(batch.rules) == 1:
        return {batch.rules[0].id: tuple(samples)}
    found: dict[str, list[Sample]] = {rule.id: [] for rule in batch.rules}
    for sample in samples:
        rule = batch.rules[int(sample.labels.get(MARK))]
        found[rule.id].append(Sample(labels=sample.labels.without(MARK), value=sample.value))
    return {rule_id: tuple(answer) for rule_id, answer in found.items()}


def _marked(expr: str, mark: str) -> str:
    # The newline ends a comment that the expression may end in.
    return f'label_replace((\n{expr}\n), "{MARK}", "{mark}", "", "")'


def _tree(queries: list[str]) -> str:
    if len(queries) == 1:
        return queries[0]
    middle = len(queries) // 2
    return f"({_tree(queries[:middle])} or {_tree(queries[middle:])})"


def _range_class(lookback_s: float) -> int:
    return sum(lookback_s > limit for limit in _RANGE_CLASSES_S)
