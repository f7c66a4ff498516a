"""The functions that Prometheus and Alertmanager add to Go's templates, as plain functions of values.

Each behaves as its namesake in Go does, quirks included, and raises ValueError or TypeError where that
one returns an error. Knows nothing of the template engine. A text they make is at most ``MOST_TEXT``
characters long, so that no template can fill the memory.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final, Never
from urllib.parse import quote_plus, unquote_plus, urlsplit

import re2

from shopwatch_engine.durations import parse_duration

MOST_TEXT: Final = 65_536
"""Characters that a template, or any text on its way, may have; PagerDuty takes 512 kB in all."""

_BIG: Final = ("k", "M", "G", "T", "P", "E", "Z", "Y")
_BINARY: Final = ("ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi")
_SMALL: Final = ("m", "u", "n", "p", "f", "a", "z", "y")
_GO_FLOAT: Final = re.compile(
    r"[+-]?(?:inf(?:inity)?|nan|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?)", re.IGNORECASE
)
_MOST_NANOSECONDS: Final = 2**63 - 1
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


# ---------------------------------------------------------------- numbers
def number_of(value: object) -> float:
    """A number, or a text that holds one, as a float."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise TypeError(f"can't convert {type(value).__name__} to float")
    if isinstance(value, str) and not _GO_FLOAT.fullmatch(value):
        raise ValueError(f"can't read {_shown(value)} as a number")
    return float(value)


def four_digits(value: float) -> str:
    """Go's ``%.4g``."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return f"{value:.4g}"


def humanize(number: object) -> str:
    """Four digits and a metric prefix: ``1234567`` is ``1.235M``."""
    value = number_of(number)
    if value == 0 or not math.isfinite(value):
        return four_digits(value)
    if abs(value) < 1:
        return _shrunk(value)
    return _grown(value, 1000, _BIG)


def humanize1024(number: object) -> str:
    """Four digits and a binary prefix: ``1048576`` is ``1Mi``."""
    value = number_of(number)
    if abs(value) <= 1 or not math.isfinite(value):
        return four_digits(value)
    return _grown(value, 1024, _BINARY)


def humanize_duration(number: object) -> str:
    """Seconds in words: ``4000`` is ``1h 6m 40s``, ``0.25`` is ``250ms``."""
    value = number_of(number)
    if not math.isfinite(value):
        return four_digits(value)
    if abs(value) < 1:
        return f"{_shrunk(value) if value else four_digits(value)}s"
    sign = "-" if value < 0 else ""
    if abs(value) < 60:
        return f"{sign}{four_digits(abs(value))}s"
    minutes, seconds = divmod(int(abs(value)), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    counts = ((days, "d"), (hours, "h"), (minutes, "m"), (seconds, "s"))
    first = next(index for index, (count, _) in enumerate(counts) if count)
    return sign + " ".join(f"{count}{unit}" for count, unit in counts[first:])


def humanize_percentage(number: object) -> str:
    """A ratio as a percentage of four digits: ``0.1234567`` is ``12.35%``."""
    return f"{four_digits(number_of(number) * 100)}%"


def humanize_timestamp(number: object) -> str:
    """Seconds since the epoch as a time in UTC, to the millisecond."""
    value = number_of(number)
    if not math.isfinite(value):
        return four_digits(value)
    if abs(value * 1e9) > _MOST_NANOSECONDS:
        raise ValueError(f"{value:g} is not a time that fits 64 bits of nanoseconds")
    nanoseconds = int(value * 1e9)
    return go_time(abs(nanoseconds) // 1_000_000 * (-1 if nanoseconds < 0 else 1))


def parse_duration_seconds(text: str) -> float:
    """The seconds of a Prometheus duration."""
    return parse_duration(text)


def _grown(value: float, step: int, prefixes: tuple[str, ...]) -> str:
    prefix = ""
    for candidate in prefixes:
        if abs(value) < step:
            break
        prefix, value = candidate, value / step
    return f"{four_digits(value)}{prefix}"


def _shrunk(value: float) -> str:
    prefix = ""
    for candidate in _SMALL:
        if abs(value) >= 1:
            break
        prefix, value = candidate, value * 1000
    return f"{four_digits(value)}{prefix}"


# ---------------------------------------------------------------- times
def go_time(milliseconds: int) -> str:
    """A time as Go prints it: ``2026-11-23 12:00:00.5 +0000 UTC``."""
    at = _moment(milliseconds)
    fraction = f"{milliseconds % 1000 / 1000:.3f}".lstrip("0").rstrip("0").rstrip(".")
    return f"{at.year:04d}-{at:%m-%d %H:%M:%S}{fraction} +0000 UTC"


_LAYOUT: Final[Mapping[str, Callable[[datetime], str]]] = {
    "January": lambda at: f"{at:%B}",
    "Monday": lambda at: f"{at:%A}",
    "-07:00": lambda _: "+00:00",
    "Z07:00": lambda _: "Z",
    "-0700": lambda _: "+0000",
    "2006": lambda at: f"{at.year:04d}",
    ".000": lambda at: f".{at.microsecond // 1000:03d}",
    "Jan": lambda at: f"{at:%b}",
    "Mon": lambda at: f"{at:%a}",
    "MST": lambda _: "UTC",
    "01": lambda at: f"{at.month:02d}",
    "02": lambda at: f"{at.day:02d}",
    "03": lambda at: f"{at:%I}",
    "04": lambda at: f"{at.minute:02d}",
    "05": lambda at: f"{at.second:02d}",
    "06": lambda at: f"{at.year % 100:02d}",
    "15": lambda at: f"{at.hour:02d}",
    "PM": lambda at: f"{at:%p}",
    "pm": lambda at: f"{at:%p}".lower(),
    "_2": lambda at: f"{at.day:2d}",
    "1": lambda at: str(at.month),
    "2": lambda at: str(at.day),
    "3": lambda at: str(at.hour % 12 or 12),
    "4": lambda at: str(at.minute),
    "5": lambda at: str(at.second),
}
_LAYOUT_PART: Final = re.compile("|".join(re.escape(part) for part in _LAYOUT))


def format_time(milliseconds: int, layout: str) -> str:
    """A time in UTC by a Go layout, such as ``2006-01-02 15:04:05 MST``."""
    at = _moment(milliseconds)
    return limited(_LAYOUT_PART.sub(lambda part: _LAYOUT[part[0]](at), limited(layout)))


def _moment(milliseconds: int) -> datetime:
    try:
        return _EPOCH + timedelta(milliseconds=milliseconds)
    except OverflowError:
        raise ValueError(f"{milliseconds / 1000:g} is not a time between the years 1 and 9999") from None


# ---------------------------------------------------------------- texts
def limited(text: str) -> str:
    """The text itself, if it is not too long."""
    if len(text) > MOST_TEXT:
        raise ValueError(f"it makes a text of more than {MOST_TEXT} characters")
    return text


def to_upper(text: str) -> str:
    """Each character in upper case, if that is one character."""
    return "".join(_one(character.upper(), character) for character in text)


def to_lower(text: str) -> str:
    """Each character in lower case, if that is one character."""
    return "".join(_one(character.lower(), character) for character in text)


def title(text: str) -> str:
    """Prometheus' ``title``: the first letter of each word in upper case, the rest as it is."""
    made, previous = [], " "
    for character in text:
        made.append(_one(character.title(), character) if _parts_words(previous) else character)
        previous = character
    return "".join(made)


def title_only(text: str) -> str:
    """Alertmanager's ``title``: the first letter of each word in upper case, the rest in lower."""
    return re.sub(r"\w+(?:['\u2019.]\w+)*", lambda word: title(word[0][0]) + to_lower(word[0][1:]), text)


def trim_space(text: str) -> str:
    """The text without white space at its ends."""
    return text.strip()


def join(separator: str, texts: object) -> str:
    """Alertmanager's ``join``: the separator first, so that a list can be piped in."""
    if not isinstance(texts, list | tuple) or not all(isinstance(one, str) for one in texts):
        raise TypeError("join expects a list of texts")
    if sum(map(len, texts)) + len(separator) * len(texts) > MOST_TEXT:
        raise ValueError(f"it makes a text of more than {MOST_TEXT} characters")
    return separator.join(texts)


def string_slice(*texts: str) -> tuple[str, ...]:
    """A list of its arguments."""
    return texts


def match(pattern: str, text: str) -> bool:
    """Whether the RE2 expression is found anywhere in the text."""
    return compiled(pattern).search(encodable(text)) is not None


def re_replace_all(pattern: str, replacement: str, text: str) -> str:
    """Each match of the RE2 expression replaced; ``$1``, ``${1}`` and ``$name`` stand for groups."""
    expression, text = compiled(pattern), encodable(text)
    parts = _replacement_parts(replacement)
    made: list[str] = []
    size = last = 0
    for found in expression.finditer(text):
        made.append(text[last : found.start()])
        if found.end() > last or found.start() == 0:
            made.extend(_group(found, part) if is_group else part for part, is_group in parts)
        last = max(last, found.end())
        size += sum(map(len, made[-len(parts) - 1 :]))
        if size > MOST_TEXT:
            raise ValueError(f"it makes a text of more than {MOST_TEXT} characters")
    return "".join(made) + text[last:]


@lru_cache(maxsize=512)
def compiled(pattern: str) -> re2._Regexp:
    """An RE2 expression.

    Raises:
        ValueError: the pattern is none.
    """
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(encodable(pattern), options)
    except re2.error as error:
        raise ValueError(f"{_shown(pattern)} is not a regular expression (RE2)") from error


def encodable(text: str) -> str:
    """The text in which half a surrogate pair, which RE2 cannot take, is a question mark."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def _replacement_parts(replacement: str) -> list[tuple[str, bool]]:
    """The replacement cut into texts and the names of groups (True)."""
    parts: list[tuple[str, bool]] = []
    last = 0
    for found in re.finditer(r"\$(?:(?P<dollar>\$)|\{(?P<braced>\w+)\}|(?P<plain>\w+))", replacement):
        parts.append((replacement[last : found.start()], False))
        parts.append(("$", False) if found["dollar"] else (found["braced"] or found["plain"], True))
        last = found.end()
    return [*parts, (replacement[last:], False)]


def _group(found: re2._Match, name: str) -> str:
    if name.isdecimal():
        return (found.group(int(name)) or "") if int(name) <= found.re.groups else ""
    return (found.group(name) or "") if name in found.re.groupindex else ""


def _one(changed: str, character: str) -> str:
    return changed if len(changed) == 1 else character


def _parts_words(character: str) -> bool:
    if character.isascii():
        return not (character.isalnum() or character == "_")
    return not (character.isalpha() or character.isdecimal()) and character.isspace()


def _shown(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:40] + "…")


# ---------------------------------------------------------------- addresses
def strip_port(address: str) -> str:
    """The host of ``host:port``; anything else as it is."""
    host_port = _split_host_port(address)
    return address if host_port is None else host_port[0]


def strip_domain(address: str) -> str:
    """The first label of a host name, with the port if there was one; an IP address as it is."""
    host, port = _split_host_port(address) or (address, "")
    if ":" in host or re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,3}){3}", host):
        return address
    short = host.partition(".")[0]
    return f"{short}:{port}" if port else short


def graph_link(expr: str) -> str:
    """The path of an expression's graph in Prometheus."""
    return f"/graph?g0.expr={quote_plus(encodable(expr))}&g0.tab=0"


def table_link(expr: str) -> str:
    """The path of an expression's table in Prometheus."""
    return f"/graph?g0.expr={quote_plus(encodable(expr))}&g0.tab=1"


def path_of(url: str) -> str:
    """The path of a URL."""
    return urlsplit(url).path


def url_escape(text: str) -> str:
    """The text as a part of a URL's query."""
    return quote_plus(encodable(text))


def url_unescape(text: str) -> str:
    """The text of a part of a URL's query."""
    return unquote_plus(text)


def _split_host_port(address: str) -> tuple[str, str] | None:
    """Go's ``net.SplitHostPort``; None where that returns an error."""
    found = re.fullmatch(
        r"\[(?P<six>[^\[\]]*)\]:(?P<port6>[^\[\]:]*)|(?P<host>[^\[\]:]*):(?P<port>[^\[\]:]*)", address
    )
    if found is None:
        return None
    return (found["six"], found["port6"]) if found["host"] is None else (found["host"], found["port"])


# ---------------------------------------------------------------- the rest
def same(text: str) -> str:
    """The text itself: nothing is escaped in a page."""
    return text


def arguments(*values: object) -> dict[str, object]:
    """Its arguments as a map: ``arg0``, ``arg1``, ..."""
    return {f"arg{index}": value for index, value in enumerate(values)}


def not_evaluated(name: str) -> Callable[..., Never]:
    """A function that is known, so that the template parses, and says that it cannot be had here."""

    def refuse(*_: object) -> Never:
        raise ValueError(f"Prometheus has the function {name}, this engine does not evaluate it yet")

    return refuse
