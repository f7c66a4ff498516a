"""What the engine is told about its surroundings: options, environment variables, a settings file.

An option wins over its variable, that over the file, that over the default. Pagers and their keys are not
here: they stand in the routing file.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final, Generic, TypeVar
from urllib.parse import urlsplit

from shopwatch_engine.definitions.document import Document, findings_of, in_order, read_document
from shopwatch_engine.definitions.schema import nearest
from shopwatch_engine.durations import parse_duration
from shopwatch_engine.exceptions import DefinitionError
from shopwatch_engine.model import Finding, Position

_CREDENTIALS: Final = re.compile(r"(?<=://)[^/\s]*@")
_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Settings:
    """Where things are, and how patient to be. Addresses carry no trailing slash; "" is none."""

    prometheus: str
    rules: tuple[Path, ...]
    routing: Path
    store: str = "sqlite:///shopwatch.sqlite3"
    listen: str = "127.0.0.1:9095"
    external_url: str = ""
    prometheus_external_url: str = ""  # as people reach it; "": as the engine does
    grafana: str = ""
    jaeger: str = ""
    telemetry: str = ""  # the embedded collector's store
    evaluation_interval_s: float = 60.0  # of groups that name none; Prometheus' default
    scrape_interval_s: float = 60.0  # the longest of what the rules read; Prometheus' default
    unknown_after_s: float = 300.0  # a rule that fails for so long pages about itself
    query_timeout_s: float = 10.0
    retention_s: float = 90 * 86400.0  # how long resolved incidents are kept

    def __repr__(self) -> str:
        shown = (f"{one.name}={_masked(repr(getattr(self, one.name)))}" for one in fields(self))
        return f"Settings({', '.join(shown)})"


def load_settings(
    path: Path | None, environ: Mapping[str, str], overrides: Mapping[str, Any] | None = None
) -> Settings:
    """The settings of options, environment and file, in this order.

    Args:
        path: the settings file; None: the one that ``SHOPWATCH_CONFIG`` names, if any. Relative rules and
            routing in it count from its folder.
        environ: the environment: each setting as ``SHOPWATCH_<NAME>``; ``SHOPWATCH_RULES`` separates
            paths as ``PATH`` does.
        overrides: options by the settings' names; None and "" are not given.

    Raises:
        DefinitionError: with every wrong and missing setting, each with its origin.
    """
    findings: list[Finding] = []
    named = path or (Path(environ["SHOPWATCH_CONFIG"]) if environ.get("SHOPWATCH_CONFIG") else None)
    document = None if named is None else _read(named, findings)
    if document is not None:
        findings.extend(_unknown_keys(document))
    values: dict[str, Any] = {}
    for setting in _SETTINGS:
        given = _given(setting, document, environ, overrides or {})
        if given is not None:
            _take(setting, given, values, findings)
        elif setting.required and (named is None or document is not None):
            findings.append(_missing(setting, named))
    if findings:
        raise DefinitionError(in_order(findings))
    return Settings(**values)


# ---------------------------------------------------------------- one setting
@dataclass(frozen=True, slots=True, kw_only=True)
class _Given:
    """A setting's raw value and where it is from."""

    value: Any
    origin: Position
    folder: Path = Path()  # what relative paths count from


@dataclass(frozen=True, slots=True, kw_only=True)
class _Setting(Generic[_Value]):
    """A setting: its name outside, the attribute it becomes, how it is read and what it should be."""

    name: str
    read: Callable[[_Given], _Value]
    expected: str
    attribute: str = ""
    required: bool = False

    @property
    def variable(self) -> str:
        return f"SHOPWATCH_{self.name.upper()}"

    @property
    def option(self) -> str:
        return "--" + self.name.replace("_", "-")


def _given(
    setting: _Setting[Any],
    document: Document | None,
    environ: Mapping[str, str],
    overrides: Mapping[str, Any],
) -> _Given | None:
    """The value that wins; None where none is given."""
    if overrides.get(setting.name):
        return _Given(value=overrides[setting.name], origin=_from(f"option {setting.option}"))
    if environ.get(setting.variable):
        value: Any = environ[setting.variable]
        if setting.name == "rules":
            value = [one for one in value.split(os.pathsep) if one]
        return _Given(value=value, origin=_from(f"variable {setting.variable}"))
    written = None if document is None else document.at((setting.name,))
    if document is None or written is None:
        return None
    origin = document.position((setting.name,))
    return _Given(value=written, origin=origin, folder=Path(document.file).parent)


def _take(setting: _Setting[Any], given: _Given, values: dict[str, Any], findings: list[Finding]) -> None:
    try:
        values[setting.attribute or setting.name] = setting.read(given)
    except (TypeError, ValueError) as error:
        message = f"{setting.name}: {_masked(str(error))}"
        findings.append(_finding("bad-setting", given.origin, message, f"give {setting.expected}"))


def _missing(setting: _Setting[Any], file: Path | None) -> Finding:
    where = f"{setting.name}: in {file or 'a settings file'}"
    remedy = f"give {setting.option}, {setting.variable} or {where}: {setting.expected}"
    place = Position(file=str(file), line=0) if file else _from("settings")
    return _finding("missing-setting", place, f"{setting.name} is not set", remedy)


def _url(given: _Given) -> str:
    text = _text(given)
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{text!r} is not an address")
    _ = parts.port  # raises ValueError when it is none
    return text.rstrip("/")


def _sqlite(given: _Given) -> str:
    text = _text(given)
    if not re.match(r"sqlite:///.", text):
        raise ValueError(f"{text!r} is not the address of a SQLite file")
    return text


def _listen(given: _Given) -> str:
    text = _text(given)
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535 or (":" in host) != host.startswith("["):
        raise ValueError(f"{text!r} is not HOST:PORT")
    return text


def _paths(given: _Given) -> tuple[Path, ...]:
    several = given.value if isinstance(given.value, list | tuple) else [given.value]
    if not several or not all(isinstance(one, str | Path) and str(one) for one in several):
        raise TypeError("this is not a list of paths")
    return tuple(given.folder / one for one in several)


def _path(given: _Given) -> Path:
    return given.folder / _text(given)


def _seconds(given: _Given) -> float:
    seconds = parse_duration(_text(given))
    if seconds <= 0:
        raise ValueError("0 is not a length of time")
    return seconds


def _text(given: _Given) -> str:
    if not isinstance(given.value, str | Path):
        raise TypeError(f"this is a {'list' if isinstance(given.value, list) else 'map'}, not a text")
    return str(given.value).strip()


_ADDRESS: Final = "an address such as http://127.0.0.1:9090"
_FILE: Final = "sqlite:///FILE"
_LENGTH: Final = "a duration such as 30s"
_SETTINGS: Final[tuple[_Setting[Any], ...]] = (
    _Setting(name="prometheus", read=_url, expected=_ADDRESS, required=True),
    _Setting(name="rules", read=_paths, expected="rule files or folders", required=True),
    _Setting(name="routing", read=_path, expected="a file in Alertmanager's format", required=True),
    _Setting(name="store", read=_sqlite, expected=_FILE),
    _Setting(name="listen", read=_listen, expected="HOST:PORT such as 127.0.0.1:9095"),
    _Setting(name="external_url", read=_url, expected=_ADDRESS),
    _Setting(name="prometheus_external_url", read=_url, expected=_ADDRESS),
    _Setting(name="grafana", read=_url, expected=_ADDRESS),
    _Setting(name="jaeger", read=_url, expected=_ADDRESS),
    _Setting(name="telemetry", read=_sqlite, expected=_FILE),
    _Setting(name="evaluation_interval", attribute="evaluation_interval_s", read=_seconds, expected=_LENGTH),
    _Setting(name="scrape_interval", attribute="scrape_interval_s", read=_seconds, expected=_LENGTH),
    _Setting(name="unknown_after", attribute="unknown_after_s", read=_seconds, expected=_LENGTH),
    _Setting(name="retention", attribute="retention_s", read=_seconds, expected=_LENGTH),
    _Setting(name="query_timeout", attribute="query_timeout_s", read=_seconds, expected=_LENGTH),
)


# ---------------------------------------------------------------- the file
def _read(path: Path, findings: list[Finding]) -> Document | None:
    try:
        document = read_document(path)
    except DefinitionError as error:
        findings.extend(findings_of(error))
        return None
    if document.value is None or isinstance(document.value, dict):
        return document
    place = Position(file=str(path))
    findings.append(_finding("bad-setting", place, "this is no map of settings", "write name: value lines"))
    return None


def _unknown_keys(document: Document) -> Iterator[Finding]:
    known = [one.name for one in _SETTINGS]
    for key in document.value if isinstance(document.value, dict) else ():
        if key not in known:
            close = nearest(key, known)
            remedy = f"did you mean {close}?" if close else f"known here: {', '.join(known)}"
            place = document.position((key,), of_key=True)
            yield _finding("unknown-key", place, f"{key} is not a known setting", remedy)


def _from(origin: str) -> Position:
    return Position(file=origin, line=0)


def _finding(code: str, place: Position, message: str, remedy: str) -> Finding:
    return Finding(code=code, position=place, message=message, remedy=remedy)


def _masked(text: str) -> str:
    return _CREDENTIALS.sub("***@", text)
