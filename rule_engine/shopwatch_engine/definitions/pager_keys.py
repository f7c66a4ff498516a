"""The keys of pagers: written in the routing file, or in files of their own. None is ever shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from shopwatch_engine.definitions.document import Document, Raw, Steps, findings_of, maps_in, read_text
from shopwatch_engine.exceptions import DefinitionError
from shopwatch_engine.model import Finding, Secret

_KEY_NAMES: Final = {"pagerduty_configs": "routing_key", "opsgenie_configs": "api_key"}
_GLOBAL_NAMES: Final = {"opsgenie_configs": "opsgenie_api_key"}
_PAGERDUTY_LENGTH: Final = 32
"""Events API v2: a routing key has 32 characters."""


class PagerKeys:
    """Every pager's key in a routing file, and what is wrong with any.

    Works on the values as written, so that it finds everything even in a file with other mistakes.

    Args:
        document: the routing file.
        folder: what relative names of key files count from.
        read_files: False where key files are not: their keys then are question marks.
    """

    def __init__(self, document: Document, *, folder: Path, read_files: bool = True) -> None:
        self.findings: list[Finding] = []
        self._document = document
        self._folder = folder
        self._read_files = read_files
        self._keys: dict[tuple[str | int, ...], Secret] = {}
        self._global = {kind: self._written(("global",), name) for kind, name in _GLOBAL_NAMES.items()}
        for path in _pagers(document):
            self._find(path)

    def of(self, path: tuple[str | int, ...]) -> Secret:
        """The key of the pager at a path of the file."""
        return self._keys[path]

    def _find(self, path: tuple[str | int, ...]) -> None:
        kind, found_before = str(path[-2]), len(self.findings)
        key = self._written(path, _KEY_NAMES[kind]) or self._global.get(kind, "")
        if key:
            self._keys[path] = Secret(key)
        elif len(self.findings) == found_before:
            self._note("missing-pager-key", path, *self._missing(kind))
        if key and kind == "pagerduty_configs" and len(key) != _PAGERDUTY_LENGTH:
            message = f"routing_key has {len(key)} characters: expected {_PAGERDUTY_LENGTH}"
            self._note(
                "bad-pager-key", path, message, "take the integration key of an Events API v2 integration"
            )

    def _missing(self, kind: str) -> tuple[str, str]:
        name = _KEY_NAMES[kind]
        elsewhere = f", or {_GLOBAL_NAMES[kind]} under global" if kind in _GLOBAL_NAMES else ""
        return f"{name} is missing: nobody would be paged", f"add {name} or {name}_file{elsewhere}"

    def _written(self, path: Steps, name: str) -> str:
        """The key under a name or in the file that its twin names; "" with a finding where there is none."""
        holder = self._document.at(path)
        written: Mapping[str, Raw] = holder if isinstance(holder, dict) else {}
        key, file = written.get(name), written.get(f"{name}_file")
        if key is not None and file is not None:
            message = f"{name} and {name}_file are both given: expected one"
            self._note("bad-pager-key", (*path, f"{name}_file"), message, "remove one of the two")
        elif isinstance(file, str):
            return self._from_file((*path, f"{name}_file"), file)
        elif isinstance(key, str) and not key.strip():
            self._note(
                "missing-pager-key", (*path, name), f"{name} is empty", f"give the key, or {name}_file"
            )
        return key.strip() if isinstance(key, str) else ""

    def _from_file(self, path: tuple[str | int, ...], name: str) -> str:
        if not self._read_files:
            return "?" * _PAGERDUTY_LENGTH
        file = self._folder / name
        remedy = f"put the key into {file}, and let this user read it"
        try:
            key = read_text(file).strip()
        except DefinitionError as error:
            reasons = [one.message for one in findings_of(error)]
            self._note("missing-pager-key", path, f"{path[-1]}: {', '.join(reasons)}", remedy)
            return ""
        if not key:
            self._note("missing-pager-key", path, f"{path[-1]}: the file {file} is empty", remedy)
        return key

    def _note(self, code: str, path: Steps, message: str, remedy: str) -> None:
        receiver = self._document.at((*path[:2], "name")) if path[0] == "receivers" else None
        whose = f"receiver {receiver!r}: " if isinstance(receiver, str) else ""
        place = self._document.position(path)
        self.findings.append(Finding(code=code, position=place, message=f"{whose}{message}", remedy=remedy))


def _pagers(document: Document) -> Iterator[tuple[str | int, ...]]:
    """The path of every pager's configuration."""
    for index, receiver in maps_in(document.at(("receivers",))):
        for kind in _KEY_NAMES:
            for place, _ in maps_in(receiver.get(kind)):
                yield ("receivers", index, kind, place)
