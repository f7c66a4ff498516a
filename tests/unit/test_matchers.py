from __future__ import annotations

import re

import pytest

from shopwatch_engine.matchers import compile_matcher, parse_matcher, parse_matchers
from shopwatch_engine.model import LabelSet
from shopwatch_engine.model.routing import MatchSpec

LABELS = LabelSet.of({"severity": "critical", "service": "orders", "note": "two\nlines", "ort": "Köln"})


def spec(name: str, operator: str, value: str) -> MatchSpec:
    return MatchSpec(name=name, operator=operator, value=value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('severity="critical"', True),
        ('severity="critica"', False),
        ("severity=critical", True),
        ('severity!="critical"', False),
        ('severity!="warning"', True),
        ('severity=~"crit.*"', True),
        ('severity=~"crit"', False),
        ('severity=~"warning|critical"', True),
        ('severity!~"crit"', True),
        ('severity!~"crit.+|x"', False),
        ('severity=~"(?i)CRITICAL"', True),
        ('nothing=""', True),
        ('nothing!=""', False),
        ('nothing=~".*"', True),
        ('nothing=~".+"', False),
        ('nothing!~".+"', True),
        ('severity=~""', False),
        ('note=~"two.lines"', False),
        ('note=~"(?s)two.lines"', True),
        ('ort=~"K.ln"', True),
    ],
)
def test_decides(text: str, *, expected: bool) -> None:
    assert compile_matcher(parse_matcher(text)).matches(LABELS) is expected


def test_alternatives_cannot_leave_the_anchors() -> None:
    assert not compile_matcher(spec("severity", "=~", "x|crit")).matches(LABELS)
    with pytest.raises(ValueError, match="not a regular expression"):
        compile_matcher(spec("severity", "=~", "x)|(.*"))


def test_half_a_surrogate_pair_is_no_crash() -> None:
    labels = LabelSet.of({"a": "\ud800"})
    assert compile_matcher(spec("a", "=~", ".")).matches(labels)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a=b", [("a", "=", "b")]),
        ('{a="b"}', [("a", "=", "b")]),
        ('{a="b",c=~"d|e"}', [("a", "=", "b"), ("c", "=~", "d|e")]),
        ('{ a = "b" , c != d , }', [("a", "=", "b"), ("c", "!=", "d")]),
        ("a=b c,d!~e.*", [("a", "=", "b c"), ("d", "!~", "e.*")]),
        ("a=", [("a", "=", "")]),
        ('a="x,y}{"', [("a", "=", "x,y}{")]),
        (r'a="q\"\\\n"', [("a", "=", 'q"\\\n')]),
        ('"my label"="x"', [("my label", "=", "x")]),
        ("ort=Köln", [("ort", "=", "Köln")]),
        ("{}", []),
        ("", []),
    ],
)
def test_reads(text: str, expected: list[tuple[str, str, str]]) -> None:
    assert [(one.name, one.operator, one.value) for one in parse_matchers(text)] == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a", "'a' is not a matcher: expected a label name"),
        ("=b", "is not a matcher"),
        ('{a="b"', "a brace without its counterpart"),
        ('a="b"}', "a brace without its counterpart"),
        ('{a="b" c="d"}', "is not a matcher"),
        ("a=b,,c=d", "',c=d' is not a matcher"),
        (",", "is not a matcher"),
        ("a='b'", "is not a matcher"),
        ('a="b', "is not a matcher"),
        ('a=b"c', "is not a matcher"),
        ('""="b"', "names no label"),
        ('a=~"(("', "is not a regular expression"),
        ('a=~"(?=x)"', "look-arounds and back-references do not exist in RE2"),
        (r'a=~"(.)\\1"', "is not a regular expression"),
    ],
)
def test_refuses(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=re.escape(reason)):
        parse_matchers(text)


def test_one_is_one() -> None:
    assert parse_matcher(" a = b ") == spec("a", "=", "b")
    with pytest.raises(ValueError, match="is not a matcher"):
        parse_matcher("a=b,c=d")
    with pytest.raises(ValueError, match="is no matcher"):
        compile_matcher(spec("a", "==", "b"))
