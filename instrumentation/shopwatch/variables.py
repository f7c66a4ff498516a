"""Single values of an environment, read leniently: what is wrong with one is kept, and its default used.

An empty value counts as unset, as OpenTelemetry's specification says. Knows no variable by name; reads the
files that variables name.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

_CREDENTIALS: Final = re.compile(r"//[^/@\s]*@")
# What both HTTP and gRPC take; "-bin" and "grpc-" mean something of their own to gRPC.
_HEADER_NAME: Final = re.compile(r"(?!grpc-)[0-9a-z_.-]+(?<!-bin)")
_HEADER_VALUE: Final = re.compile(r"[ -~]*")
_LABEL: Final = re.compile(r'([^=\s]+)="([^"\\]*)"')
_GRPC_TARGET: Final = re.compile(r"(?:(?:dns|ipv4|ipv6|unix|unix-abstract):)?[^\s:][^\s]*")


class Variables:
    """Reads an environment, and keeps what was wrong with it.

    Args:
        environ: the variables.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._problems: dict[str, None] = {}

    @property
    def problems(self) -> tuple[str, ...]:
        """A line for each value that was not usable: its name, itself, what was expected, what is used."""
        return tuple(self._problems)

    def wrong(self, name: str, value: str, expected: str, used: str) -> None:
        """Keep that a value is not usable."""
        self._problems[f"{name}={value!r} is not usable: expected {expected}; using {used}"] = None

    def text(self, name: str) -> str:
        """The value without spaces around it; empty when it is not set."""
        return self._environ.get(name, "").strip()

    def choice(self, name: str, expected: tuple[str, ...], default: str) -> str:
        """One of a few words, in any case."""
        value = self.text(name).lower()
        if value in expected:
            return value
        if value:
            self.wrong(name, value, f"one of {', '.join(expected)}", default)
        return default

    def flag(self, name: str) -> bool:
        """True for ``true`` in any case, else False."""
        return self.choice(name, ("true", "false"), "false") == "true"

    def number(
        self, name: str, default: float, *, low: float, high: float = 1e9, unit: str = ""
    ) -> float:
        """A number within bounds; ``unit`` is said when it is not."""
        found = self.optional(name, low=low, high=high, unit=unit, used=f"{default:g}")
        return default if found is None else found

    def optional(
        self, name: str, *, low: float, high: float = 1e9, unit: str = "", used: str = "none"
    ) -> float | None:
        """A number within bounds, or None; ``used`` is said when it is not usable."""
        value = self.text(name)
        if not value:
            return None
        number = _number(value)
        if low <= number <= high:
            return number
        self.wrong(name, value, f"a number{unit and f' of {unit}'} from {low:g} to {high:g}", used)
        return None

    def count(self, name: str, default: int, *, low: int = 0) -> int:
        """A whole number."""
        found = self.optional_count(name, low=low, used=str(default))
        return default if found is None else found

    def optional_count(
        self, name: str, *, low: int = 0, high: int = 10**9, used: str = "none"
    ) -> int | None:
        """A whole number, or None."""
        value = self.text(name)
        if not value:
            return None
        number = _number(value)
        if number == int(number if low <= number <= high else low - 1):
            return int(number)
        self.wrong(name, value, f"a whole number from {low} to {high}", used)
        return None

    def names(self, name: str, default: tuple[str, ...] = ()) -> tuple[str, ...]:
        """Words with commas between."""
        found = tuple(part.strip() for part in self.text(name).split(",") if part.strip())
        return found or default

    def lines(self, name: str) -> tuple[str, ...]:
        """The lines that are not blank."""
        return tuple(line for line in self.text(name).splitlines() if line.strip())

    def pairs(self, name: str) -> dict[str, str]:
        """``key=value`` pairs with commas between, keys and values percent-encoded.

        A pair that is not usable costs the others nothing, as in OpenTelemetry's Python SDK: a service does not
        lose its name over a slip in another attribute.
        """
        found: dict[str, str] = {}
        for pair in self.names(name):
            decoded = _pair(pair)
            if decoded is None:
                expected = "key=value pairs with commas between, values percent-encoded UTF-8"
                self.wrong(name, pair, expected, "the other pairs")
            else:
                found[decoded[0]] = decoded[1]
        return found

    def headers(self, name: str) -> dict[str, str]:
        """As ``pairs``, for headers: names in lower case; values are secrets, and quoted nowhere."""
        found: dict[str, str] = {}
        for pair in self.names(name):
            key, value = _pair(pair) or ("", "\0")
            if _HEADER_NAME.fullmatch(key.lower()) and _HEADER_VALUE.fullmatch(value):
                found[key.lower()] = value
            else:
                expected = "name=value pairs with commas between, values percent-encoded ASCII"
                self.wrong(name, "***", expected, "the other headers")
        return found

    def secret(self, name: str) -> str:
        """The value, or what the file says that ``<name>_FILE`` names.

        Where that file says nothing, the secret is one that nobody knows: what it protects stays shut.
        """
        path = self.text(f"{name}_FILE")
        if self.text(name) or not path:
            return self.text(name)
        found = (self._file(f"{name}_FILE", "a secret that nobody knows") or "").strip()
        return found or secrets.token_urlsafe()

    def path(self, name: str) -> str:
        """The path of a file that can be read."""
        return "" if self._file(name, "none") is None else self.text(name)

    def labels(self, name: str) -> dict[str, str]:
        """The labels in a file of Kubernetes' downward API: ``key="value"``, one a line."""
        found: dict[str, str] = {}
        for line in filter(None, map(str.strip, (self._file(name, "none") or "").splitlines())):
            match = _LABEL.fullmatch(line)
            if match:
                found[match[1]] = match[2]
            else:
                self.wrong(name, line, 'lines of key="value" in the file', "the other lines")
        return found

    def _file(self, name: str, used: str) -> str | None:
        """What the file says that a variable names; None when it names none that can be read."""
        path = self.text(name)
        if not path:
            return None
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, ValueError) as error:  # ValueError: bytes that are no UTF-8, a NUL in the path
            self.wrong(name, path, f"a text file that can be read ({type(error).__name__})", used)
            return None
        if not text.strip():
            self.wrong(name, path, "a file that is not empty", used)
            return None
        return text

    def endpoint(self, name: str, *, grpc: bool) -> str:
        """An address to send to: a URL, or for gRPC whatever gRPC takes as a target."""
        value = self.text(name)
        if not value or _is_url(value) or (grpc and "://" not in value and _GRPC_TARGET.fullmatch(value)):
            return value
        self.wrong(name, _CREDENTIALS.sub("//***@", value), "a URL such as http://collector:4318", "default")
        return ""


def _number(value: str) -> float:
    try:
        return float(value)
    except ValueError:
        return float("nan")


def _pair(pair: str) -> tuple[str, str] | None:
    key, equals, value = pair.partition("=")
    try:
        decoded = unquote(key.strip(), errors="strict"), unquote(value.strip(), errors="strict")
    except UnicodeDecodeError:
        return None
    return decoded if equals and decoded[0] else None


def _is_url(value: str) -> bool:
    try:
        parts = urlsplit(value)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, brackets that do not close
        return False
