"""What can be said of a PromQL expression without evaluating it. The only module that knows promql-parser.

The parser is native code that recurses: texts that would exhaust the stack, or that it panics on, are
refused here before it sees them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Final

import promql_parser as parser

from shopwatch_engine.durations import format_duration, parse_duration

_MOST_NESTING: Final = 200  # the parser's stack ends above 5,000 on a main thread
_MOST_TOKENS: Final = 4_000  # and a chain of operators above 8,000
_SHORTEST_S: Final = 1.0  # a range scaled below it would hold no sample
_TOKEN: Final = re.compile(
    r"""(?P<comment>\#[^\n]*)
      | (?P<string>"(?:[^"\\\n]|\\.)*" | '(?:[^'\\\n]|\\.)*' | `[^`]*`)
      | (?P<duration>[0-9]+(?:ms|[smhdwy])(?:[0-9]+(?:ms|[smhdwy]))*)(?![\w.])
      | (?P<number>0[xX][0-9a-fA-F]+ | (?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
      | (?P<word>(?!:[0-9])[A-Za-z_:][\w:]*)
      | (?P<space>\s+)
      | (?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)
_LABEL_MAKERS: Final = frozenset({"label_replace", "label_join"})
_ESCAPED: Final = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})
_OPERATORS: Final = {"Equal": "=", "NotEqual": "!=", "Re": "=~", "NotRe": "!~"}


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelUse:
    """A label that an expression counts on, and the metrics of which at least one must have it."""

    label: str
    metric_names: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExprFacts:
    """What can be read off an expression.

    ``longest_range_s``: how far into the past it reads (ranges, subqueries and offsets added up on the
    way down), without Prometheus' look-back for instant selectors. ``selectors`` are its vector selectors
    without range, offset and ``@``. ``unnamed_selector``: some selector does not say the metric's name
    exactly, so that series of several metrics may come back under label sets that differ in nothing else.
    ``label_uses``: labels in selectors, ``by``, ``on`` and ``group_left``, less those that the
    expression makes itself.
    """

    result_type: str  # "vector", "scalar", "string" or "matrix"
    metric_names: frozenset[str]
    longest_range_s: float
    selectors: tuple[str, ...]
    unnamed_selector: bool
    label_uses: tuple[LabelUse, ...]


def check_expr(expr: str) -> None:
    """Make sure that an expression parses and has consistent types.

    Raises:
        ValueError: it does not; the message says why.
    """
    describe(expr)


@lru_cache(maxsize=4096)
def describe(expr: str) -> ExprFacts:
    """What can be read off an expression.

    Raises:
        ValueError: it does not parse, or its types do not fit; the message says why.
    """
    tree = _parsed(expr)
    found = list(_selectors(tree, 0.0))
    names = [_metric_names(selector) for selector, _ in found]
    made = frozenset(_made_labels(tree))
    uses = (use for use in _label_uses(tree) if use.label not in made)
    return ExprFacts(
        result_type=_result_type(tree),
        metric_names=frozenset().union(*names),
        longest_range_s=max((reach for _, reach in found), default=0.0),
        selectors=tuple(dict.fromkeys(_printed(selector) for selector, _ in found)),
        unnamed_selector=not all(names),
        label_uses=tuple(dict.fromkeys(uses)),
    )


def scale_durations(expr: str, factor: float) -> str:
    """The expression with each range, offset and subquery duration divided by a factor.

    Strings, comments and durations that stand for plain numbers (``x > 1h``) stay as they are. A duration
    does not become shorter than one second, and is rounded to the millisecond.

    Raises:
        ValueError: the factor is not positive, or the expression does not parse.
    """
    if not factor > 0:
        raise ValueError(f"factor {factor} cannot divide a duration: expected a number above zero")
    _parsed(expr)
    return "".join(_scaled(text, factor) if is_span else text for text, is_span in _spans(expr))


def _scaled(text: str, factor: float) -> str:
    seconds = _seconds(text)
    return format_duration(max(seconds / factor, _SHORTEST_S)) if seconds else text


def _spans(expr: str) -> Iterator[tuple[str, bool]]:
    """Every token, and whether it is a range's, an offset's or a subquery's length of time."""
    in_brackets = False
    after_offset = False
    for token in _TOKEN.finditer(expr):
        kind, text = token.lastgroup, token[0]
        if text in ("[", "]"):
            in_brackets = text == "["
        timed = in_brackets or after_offset
        yield text, timed and kind in ("duration", "number")
        if kind not in ("space", "comment") and text not in ("+", "-"):
            after_offset = kind == "word" and text.lower() == "offset" and not in_brackets


def _seconds(text: str) -> float:
    """The seconds of a duration or of a bare number, which counts seconds too."""
    if text[-1].isalpha() and not text.lower().startswith("0x"):
        return parse_duration(text)
    seconds = float(int(text, 16)) if text.lower().startswith("0x") else float(text)
    if not seconds <= parse_duration("292y"):
        raise ValueError(f"{text} is too long a time: expected at most 292y")
    return seconds


def _parsed(expr: str) -> parser.Expr:
    _refuse_what_the_parser_cannot_take(expr)
    try:
        tree: parser.Expr = parser.parse(expr)
    except RecursionError as error:
        raise ValueError("the expression is nested too deeply") from error
    return tree


def _refuse_what_the_parser_cannot_take(expr: str) -> None:
    depth = deepest = tokens = 0
    previous = ""
    for text, is_span in _spans(expr):
        if text.isspace():
            continue
        tokens += 1
        depth += (text in ("(", "[", "{")) - (text in (")", "]", "}"))
        deepest = max(deepest, depth)
        if is_span:
            _seconds(text)
        if previous == "offset" and text.lower() in ("inf", "nan"):
            raise ValueError(f"offset {text} is not a length of time: expected one such as 5m")
        previous = text.lower() if text not in ("+", "-") else previous
    if deepest > _MOST_NESTING or tokens > _MOST_TOKENS:
        raise ValueError(
            f"the expression is too large: {tokens} tokens, nested {deepest} deep;"
            f" expected at most {_MOST_TOKENS} tokens, nested {_MOST_NESTING} deep"
        )


def _children(node: parser.Expr) -> tuple[parser.Expr, ...]:
    match node:
        case parser.BinaryExpr():
            return (node.lhs, node.rhs)
        case parser.Call():
            return tuple(node.args)
        case parser.AggregateExpr():
            return (node.expr,) if node.param is None else (node.expr, node.param)
        case parser.UnaryExpr() | parser.ParenExpr() | parser.SubqueryExpr():
            return (node.expr,)
        case parser.MatrixSelector():
            return (node.vector_selector,)
        case _:
            return ()


def _walk(node: parser.Expr) -> Iterator[parser.Expr]:
    waiting = [node]
    while waiting:
        current = waiting.pop()
        yield current
        waiting.extend(reversed(_children(current)))


def _selectors(tree: parser.Expr, reach_s: float) -> Iterator[tuple[parser.VectorSelector, float]]:
    """Every vector selector, left to right, and how many seconds before the evaluation it reads."""
    waiting = [(tree, reach_s)]
    while waiting:
        node, reach = waiting.pop()
        if isinstance(node, parser.MatrixSelector):
            reach += node.range.total_seconds()
        elif isinstance(node, parser.SubqueryExpr):
            reach += _ahead(node.range) + _ahead(node.offset)
        elif isinstance(node, parser.VectorSelector):
            yield node, max(reach + _ahead(node.offset), 0.0)
        waiting.extend((child, reach) for child in reversed(_children(node)))


def _ahead(span: timedelta | None) -> float:
    return 0.0 if span is None else span.total_seconds()


def _result_type(tree: parser.Expr) -> str:
    """The tree's own type; of operators: a scalar if all that they join are scalars, else a vector."""
    waiting, types = [tree], []
    while waiting:
        node = waiting.pop()
        if isinstance(node, parser.ParenExpr | parser.UnaryExpr | parser.BinaryExpr):
            waiting.extend(_children(node))
        else:
            types.append(_type_of_operand(node))
    if len(types) == 1:
        return types[0]
    return "scalar" if all(one == "scalar" for one in types) else "vector"


def _type_of_operand(node: parser.Expr) -> str:
    match node:
        case parser.NumberLiteral():
            return "scalar"
        case parser.StringLiteral():
            return "string"
        case parser.MatrixSelector() | parser.SubqueryExpr():
            return "matrix"
        case parser.Call():
            return str(node.func.return_type).rpartition(".")[2].lower()
        case _:
            return "vector"


def _matchers(selector: parser.VectorSelector) -> Iterator[parser.Matcher]:
    yield from selector.matchers.matchers
    for group in selector.matchers.or_matchers:
        yield from group


def _metric_names(selector: parser.VectorSelector) -> frozenset[str]:
    if selector.name:
        return frozenset({selector.name})
    return frozenset(
        one.value
        for one in selector.matchers.matchers
        if one.name == "__name__" and one.op == parser.MatchOp.Equal and one.value
    )


def _all_metric_names(node: parser.Expr) -> frozenset[str]:
    names = (_metric_names(one) for one in _walk(node) if isinstance(one, parser.VectorSelector))
    return frozenset().union(*names)


def _label_uses(tree: parser.Expr) -> Iterator[LabelUse]:
    for node in _walk(tree):
        if isinstance(node, parser.VectorSelector):
            labels = [one.name for one in _matchers(node) if one.name != "__name__"]
        else:
            labels = _clause_labels(node)
        names = _all_metric_names(node) if labels else frozenset()
        yield from (LabelUse(label=label, metric_names=names) for label in labels)


def _clause_labels(node: parser.Expr) -> list[str]:
    """The labels that a ``by``, ``on`` or ``group_left`` names."""
    if isinstance(node, parser.AggregateExpr) and node.modifier is not None:
        by = node.modifier.type == parser.AggModifierType.By
        return list(node.modifier.labels) if by else []
    if isinstance(node, parser.BinaryExpr) and node.modifier is not None:
        matching = node.modifier.matching
        on = matching is not None and matching.type == parser.LabelModifierType.Include
        return [
            *(matching.labels if on and matching is not None else ()),
            *(node.modifier.group_labels or ()),
        ]
    return []


def _made_labels(tree: parser.Expr) -> Iterator[str]:
    for node in _walk(tree):
        if isinstance(node, parser.Call) and node.func.name in _LABEL_MAKERS:
            target = node.args[1]
        elif isinstance(node, parser.AggregateExpr) and isinstance(node.param, parser.StringLiteral):
            target = node.param  # count_values("label", ...)
        else:
            continue
        if isinstance(target, parser.StringLiteral):
            yield target.val


def _printed(selector: parser.VectorSelector) -> str:
    groups = [selector.matchers.matchers, *selector.matchers.or_matchers]
    inside = " or ".join(",".join(_printed_matcher(one) for one in group) for group in groups if group)
    return f"{selector.name or ''}{{{inside}}}" if inside else selector.name or "{}"


def _printed_matcher(one: parser.Matcher) -> str:
    plain = re.fullmatch(r"[A-Za-z_]\w*", one.name, re.ASCII)
    name = one.name if plain else f'"{one.name.translate(_ESCAPED)}"'
    operator = _OPERATORS[str(one.op).rpartition(".")[2]]
    return f'{name}{operator}"{one.value.translate(_ESCAPED)}"'
