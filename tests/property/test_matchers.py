from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from shopwatch_engine.matchers import compile_matcher, parse_matcher, parse_matchers
from shopwatch_engine.model import LabelSet
from shopwatch_engine.model.routing import MatchSpec

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
NAMES = st.from_regex(r"\A[a-zA-Z_][a-zA-Z0-9_]{0,8}\Z")
EXACT = st.builds(MatchSpec, name=NAMES, operator=st.sampled_from(("=", "!=")), value=TEXTS)
ALIKE = st.builds(MatchSpec, name=NAMES, operator=st.sampled_from(("=~", "!~")), value=TEXTS.map(re.escape))


@given(st.lists(EXACT | ALIKE, max_size=4))
def test_printed_and_read_again(specs: list[MatchSpec]) -> None:
    printed = [str(one) for one in specs]
    assert parse_matchers("{" + ",".join(printed) + "}") == tuple(specs)
    assert [parse_matcher(one) for one in printed] == specs


@given(EXACT | ALIKE, TEXTS)
def test_not_is_the_opposite(one: MatchSpec, value: str) -> None:
    opposite = {"=": "!=", "!=": "=", "=~": "!~", "!~": "=~"}[one.operator]
    other = MatchSpec(name=one.name, operator=opposite, value=one.value)
    labels = LabelSet.of({one.name: value})
    assert compile_matcher(one).matches(labels) is not compile_matcher(other).matches(labels)


@given(NAMES, TEXTS, TEXTS)
def test_an_escaped_expression_matches_exactly_its_text(name: str, text: str, value: str) -> None:
    matcher = compile_matcher(MatchSpec(name=name, operator="=~", value=re.escape(text)))
    assert matcher.matches(LabelSet.of({name: value})) is (text == value)
    assert matcher.matches(LabelSet.of({name: text}))


@given(st.text(max_size=20))
def test_reads_or_refuses(text: str) -> None:
    try:
        parse_matchers(text)
    except ValueError as error:
        assert str(error)  # noqa: PT017 - either way is right
