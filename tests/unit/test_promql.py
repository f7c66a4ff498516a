from __future__ import annotations

import re

import pytest

from shopwatch_engine.promql import LabelUse, check_expr, describe, scale_durations


@pytest.mark.parametrize(
    ("expr", "result"),
    [
        ("up", "vector"),
        ("-up", "vector"),
        ("(up)", "vector"),
        ("1", "scalar"),
        ("time() > bool 0", "scalar"),
        ("scalar(up) + 1", "scalar"),
        ("scalar(up) + up", "vector"),
        ("vector(1)", "vector"),
        ('"text"', "string"),
        ("up[5m]", "matrix"),
        ("up[5m:1m]", "matrix"),
        ("rate(up[5m])", "vector"),
        ("sum(up)", "vector"),
        ("up and on() vector(1)", "vector"),
    ],
)
def test_result_type(expr: str, result: str) -> None:
    assert describe(expr).result_type == result


@pytest.mark.parametrize(
    ("expr", "seconds"),
    [
        ("up", 0.0),
        ("rate(a[5m]) / rate(b[1h])", 3600.0),
        ("rate(a[5m] offset 1h)", 3900.0),
        ("a offset 10m", 600.0),
        ("a offset -10m", 0.0),
        ("max_over_time(rate(a[1m])[1h:30s])", 3660.0),
        ("max_over_time(rate(a[1m])[1h:30s] offset 1d)", 90060.0),
        ("rate(a[300])", 300.0),
        ("1", 0.0),
    ],
)
def test_how_far_back_it_reads(expr: str, seconds: float) -> None:
    assert describe(expr).longest_range_s == seconds


@pytest.mark.parametrize(
    ("expr", "names", "unnamed", "selectors"),
    [
        ("sum(rate(a{x='y'}[5m] offset 1m)) > b @ 5", {"a", "b"}, False, ('a{x="y"}', "b")),
        ("a + a", {"a"}, False, ("a",)),
        ('{__name__="a"}', {"a"}, False, ('{__name__="a"}',)),
        ('{"a.b", x!="y"}', {"a.b"}, False, ('{__name__="a.b",x!="y"}',)),
        ('{__name__=~"a|b"} > 0', set(), True, ('{__name__=~"a|b"}',)),
        ('{job="x"} unless a', {"a"}, True, ('{job="x"}', "a")),
        (r'a{x=~"q\"\\d+\n"}', {"a"}, False, (r'a{x=~"q\"\\d+\n"}',)),
        ('a{"my label"="x"}', {"a"}, False, ('a{"my label"="x"}',)),
        ("time()", set(), False, ()),
    ],
)
def test_selectors(expr: str, names: set[str], selectors: tuple[str, ...], *, unnamed: bool) -> None:
    facts = describe(expr)
    assert (facts.metric_names, facts.unnamed_selector, facts.selectors) == (names, unnamed, selectors)
    for selector in facts.selectors:
        assert describe(selector).selectors == (selector,)


@pytest.mark.parametrize(
    ("expr", "uses"),
    [
        ('a{x="1"}', [("x", {"a"})]),
        ("sum by (x, y) (a)", [("x", {"a"}), ("y", {"a"})]),
        ("sum without (x) (a)", []),
        ("a * on (x) group_left (y) b", [("x", {"a", "b"}), ("y", {"a", "b"})]),
        ("a * ignoring (x) b", []),
        ('sum by (x) (label_replace(a, "x", "$1", "y", "(.*)"))', []),
        ('sum by (v) (count_values("v", a))', []),
    ],
)
def test_labels_it_counts_on(expr: str, uses: list[tuple[str, set[str]]]) -> None:
    expected = {LabelUse(label=label, metric_names=frozenset(names)) for label, names in uses}
    assert set(describe(expr).label_uses) == expected


@pytest.mark.parametrize(
    ("expr", "reason"),
    [
        ("", "no expression"),
        ("sum(", "unclosed left parenthesis"),
        ("rate(up)", "expected type matrix"),
        ("nosuch(up)", "unknown function"),
        ("{}", "at least one non-empty matcher"),
        ('a{b=~"(("}', "illegal regex"),
        ("a[0m]", "must be greater than 0"),
        ("1 > 2", "BOOL modifier"),
        ("a offset Inf", "is not a length of time"),
        ("a offset - NaN", "is not a length of time"),
        ("a[1e300]", "too long a time"),
        ("a[400y]", "too long a duration"),
        ("(" * 300 + "a" + ")" * 300, "nested 300 deep; expected at most"),
        ("+".join(["a"] * 20_000), "39999 tokens"),
        ("\ud800", "surrogate"),
    ],
)  # fmt: skip
def test_refuses(expr: str, reason: str) -> None:
    with pytest.raises(ValueError, match=re.escape(reason)):
        check_expr(expr)


@pytest.mark.parametrize(
    "expr",
    [
        "# only then\nup # and at the end",
        "+".join(["up"] * 500),
        "(" * 150 + "up" + ")" * 150,
        'label_join(up, "a", ",", "b", "c")',
        "histogram_quantile(0.9, sum by (le) (rate(x_bucket[5m])))",
        "up @ end() offset 5m",
        "x{a='[5m'} > 0",
        "limitk(2, up)",
    ],
)
def test_takes(expr: str) -> None:
    check_expr(expr)


@pytest.mark.parametrize(
    ("expr", "scaled"),
    [
        ("rate(a[5m])", "rate(a[15s])"),
        ("rate(a[5m] offset 1h) > 1h", "rate(a[15s] offset 3m) > 1h"),
        ("max_over_time(a[1h:5m])", "max_over_time(a[3m:15s])"),
        ("max_over_time(a[1h:])", "max_over_time(a[3m:])"),
        ("a offset -10m", "a offset -30s"),
        ("rate(a[300])", "rate(a[15s])"),
        ("rate(a[10s])", "rate(a[1s])"),
        ("a[30s:10s]", "a[1s500ms:1s]"),
        ("a{b='[5m]'} # [5m] offset 5m", "a{b='[5m]'} # [5m] offset 5m"),
        ("rate(a5m[ 5m ] @ 300)", "rate(a5m[ 15s ] @ 300)"),
        ("sum by (offset) (a) > 600", "sum by (offset) (a) > 600"),
        ("job:a:rate5m > 5", "job:a:rate5m > 5"),
    ],
)
def test_scales_durations(expr: str, scaled: str) -> None:
    assert scale_durations(expr, 20) == scaled
    check_expr(scaled)


def test_scaling_needs_a_factor_and_an_expression() -> None:
    with pytest.raises(ValueError, match="above zero"):
        scale_durations("up", 0)
    with pytest.raises(ValueError, match="parenthesis"):
        scale_durations("sum(", 2)
