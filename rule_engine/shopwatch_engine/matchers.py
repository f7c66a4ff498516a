"""Label matchers: read as Alertmanager writes them, compiled to decide whether labels match.

Regular expressions are RE2 and anchored at both ends, as Prometheus means them; a label that is not
there has the empty value.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import re2

from shopwatch_engine.model import LabelSet
from shopwatch_engine.model.routing import MatchSpec

_QUOTED: Final = r'"(?:[^"\\]|\\.)*"'
_MATCHER: Final = re.compile(
    rf"""\s*(?P<name>{_QUOTED}|[^\s{{}}!=~,\\"'`]+)
         \s*(?P<operator>=~|!~|!=|=)
         \s*(?P<value>{_QUOTED}|(?:[^\s{{}},"'`][^{{}},"'`]*?)?)\s*(?=,|\Z)""",
    re.VERBOSE | re.DOTALL,
)
_SEPARATOR: Final = re.compile(r"\s*,\s*")
_ESCAPES: Final = {"n": "\n", '"': '"', "\\": "\\"}
_EXPECTED: Final = 'expected a label name, one of = != =~ !~ and a value, such as severity="critical"'


@dataclass(frozen=True, slots=True)
class Matcher:
    """A matcher ready to decide."""

    spec: MatchSpec
    _decide: Callable[[str], bool] = field(repr=False, compare=False)

    def matches(self, labels: LabelSet) -> bool:
        """Whether the labels match."""
        return self._decide(labels.get(self.spec.name))


def compile_matcher(spec: MatchSpec) -> Matcher:
    """A matcher ready to decide.

    Raises:
        ValueError: the operator is unknown, or the value is no RE2 expression where it must be one.
    """
    wanted = spec.value
    match spec.operator:
        case "=":
            return Matcher(spec, lambda value: value == wanted)
        case "!=":
            return Matcher(spec, lambda value: value != wanted)
        case "=~":
            fits = _anchored(wanted)
            return Matcher(spec, fits)
        case "!~":
            fits = _anchored(wanted)
            return Matcher(spec, lambda value: not fits(value))
        case _:
            raise ValueError(f"{spec.operator!r} is no matcher: expected one of = != =~ !~")


def parse_matcher(text: str) -> MatchSpec:
    """One matcher in Alertmanager's syntax: ``a=b``, ``a="b"``, ``a=~"b|c"``; the value compiles.

    Raises:
        ValueError: the text is no matcher, or its regular expression does not compile.
    """
    inside = text.strip()
    found = _MATCHER.fullmatch(inside)
    if found is None:
        raise ValueError(f"{text!r} is not a matcher: {_EXPECTED}")
    return _spec(found)


def parse_matchers(text: str) -> tuple[MatchSpec, ...]:
    """Matchers in Alertmanager's syntax, with or without braces: ``{a="b",c=~"d"}``; ``{}`` is none.

    Raises:
        ValueError: the text is not a list of matchers, or a regular expression does not compile.
    """
    inside = text.strip()
    if inside.startswith("{") != inside.endswith("}") or inside == "{":
        raise ValueError(f"{text!r} has a brace without its counterpart")
    inside = inside[1:-1].strip() if inside.startswith("{") else inside
    specs: list[MatchSpec] = []
    at = 0
    while at < len(inside):
        found = _MATCHER.match(inside, at)
        end = _end_of_matcher(inside, found)
        if found is None or end is None:
            raise ValueError(f"{inside[at:]!r} is not a matcher: {_EXPECTED}")
        specs.append(_spec(found))
        at = end
    return tuple(specs)


def _end_of_matcher(text: str, found: re.Match[str] | None) -> int | None:
    """Where the next matcher begins; None when what follows is not a comma."""
    if found is None or found.end() == len(text):
        return None if found is None else found.end()
    comma = _SEPARATOR.match(text, found.end())
    return None if comma is None else comma.end()


def _spec(found: re.Match[str]) -> MatchSpec:
    spec = MatchSpec(
        name=_unquoted(found["name"]), operator=found["operator"], value=_unquoted(found["value"])
    )
    if not spec.name:
        raise ValueError(f"{found[0]!r} names no label: {_EXPECTED}")
    compile_matcher(spec)
    return spec


def _unquoted(text: str) -> str:
    if not text.startswith('"'):
        return text
    return re.sub(r"\\(.)", lambda escape: _ESCAPES.get(escape[1], escape[0]), text[1:-1], flags=re.DOTALL)


def _anchored(pattern: str) -> Callable[[str], bool]:
    options = re2.Options()
    options.log_errors = False
    try:
        compiled = re2.compile(pattern, options)
    except (re2.error, UnicodeEncodeError) as error:
        raise ValueError(
            f"{pattern!r} is not a regular expression (RE2): {_reason(error)}; look-arounds and"
            " back-references do not exist in RE2"
        ) from error
    return lambda value: compiled.fullmatch(_encodable(value)) is not None


def _encodable(value: str) -> str:
    """The value as RE2 can take it: half a surrogate pair, which JSON can smuggle in, becomes ``?``."""
    return value if value.isascii() else value.encode("utf-8", "replace").decode("utf-8")


def _reason(error: Exception) -> str:
    reason = error.args[0] if isinstance(error, re2.error) and error.args else error
    return reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
