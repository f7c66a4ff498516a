"""What a rule file says, as typed values; and what is wrong with one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from shopwatch_engine.model.labels import NO_LABELS, LabelSet


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """A place in a file; line and column count from 1. Line 0: the whole of it, or no file but a setting."""

    file: str
    line: int = 1
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


NOWHERE: Final = Position(file="")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One mistake in a file: where, what, and what to do about it."""

    code: str  # kebab-case, stable: "unknown-key", "bad-duration", ...
    position: Position
    message: str  # names key and value, and what was expected
    remedy: str

    def __str__(self) -> str:
        return f"{self.position}: [{self.code}] {self.message}; {self.remedy}"


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRule:
    """An alerting rule. ``id`` is stable as long as group, name and labels are."""

    id: str
    group: str
    name: str
    expr: str
    for_s: float = 0.0
    keep_firing_for_s: float = 0.0
    labels: LabelSet = NO_LABELS
    annotations: LabelSet = NO_LABELS
    lookback_s: float = 0.0  # the longest range that the expression reads
    position: Position = NOWHERE


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordRule:
    """A recording rule."""

    group: str
    record: str
    expr: str
    labels: LabelSet = NO_LABELS
    position: Position = NOWHERE


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleGroup:
    """Rules that are evaluated together, at one timestamp, each ``interval_s``."""

    name: str
    file: str
    interval_s: float
    query_offset_s: float = 0.0  # how far back it is asked about, for data that comes late
    limit: int = 0  # most alerts a rule may have; 0: no limit
    rules: tuple[AlertRule | RecordRule, ...] = ()

    @property
    def alert_rules(self) -> tuple[AlertRule, ...]:
        """The group's alerting rules, in order."""
        return tuple(rule for rule in self.rules if isinstance(rule, AlertRule))


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSet:
    """All groups of all files."""

    groups: tuple[RuleGroup, ...] = ()

    @property
    def alert_rules(self) -> tuple[AlertRule, ...]:
        """Every alerting rule of every group."""
        return tuple(rule for group in self.groups for rule in group.alert_rules)
