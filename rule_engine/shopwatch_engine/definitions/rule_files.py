"""Which files hold rules.

A path is a file, a pattern (``rules/*.yml``) or a folder. A file that is named must be a rule file. Of a
folder every ``*.yml`` and ``*.yaml`` in it and below is looked at, hidden names left out: a file with the
key ``groups`` holds rules; promtool's unit tests (``tests``) and routing files (``route``, ``receivers``)
are left to others; anything else is a mistake, lest rules be passed over in silence.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from shopwatch_engine.definitions.document import Document, findings_of, read_document
from shopwatch_engine.exceptions import DefinitionError
from shopwatch_engine.model import Finding, Position

_SUFFIXES: Final = (".yml", ".yaml")
_OTHER_KINDS: Final = (frozenset({"tests"}), frozenset({"route", "receivers"}))


def read_rule_files(paths: Sequence[Path]) -> tuple[list[Document], list[Finding]]:
    """The rule files at some paths, each once, and what is wrong with paths and files."""
    findings: list[Finding] = []
    documents: list[Document] = []
    seen: set[str] = set()
    for path in paths:
        told, holds = len(findings), False
        for file, named in _files(path, findings):
            real = os.path.realpath(file)
            if real in seen or _read(file, documents, findings, named=named):
                seen.add(real)
                holds = True
        if not holds and len(findings) == told:
            findings.append(_nothing(path))
    return documents, findings


def _read(file: Path, documents: list[Document], findings: list[Finding], *, named: bool) -> bool:
    """Read a file if it holds rules; whether it does."""
    try:
        document = read_document(file)
    except DefinitionError as error:
        findings.extend(findings_of(error))
        return True
    if isinstance(document.value, dict) and "groups" in document.value:
        documents.append(document)
        return True
    if named or not _is_of_another_kind(document):
        findings.append(_no_rule_file(document))
        return True
    return False


def _files(path: Path, findings: list[Finding]) -> Iterator[tuple[Path, bool]]:
    """The files that a path stands for, and whether each was named."""
    if path.is_dir():
        yield from ((file, False) for file in _in_folder(path, findings))
    elif glob.has_magic(str(path)) and not path.exists():
        anchor, pattern = _pattern(path)
        for file in sorted(anchor.glob(pattern)):
            yield from _files(file, findings)
    else:
        yield path, True


def _pattern(path: Path) -> tuple[Path, str]:
    """The folder before the first part with a wildcard, and the rest."""
    parts = path.parts
    first = next(index for index, part in enumerate(parts) if glob.has_magic(part))
    return Path(*parts[:first]), "/".join(parts[first:])


def _in_folder(folder: Path, findings: list[Finding], above: tuple[str, ...] = ()) -> Iterator[Path]:
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        message = f"the folder {folder} cannot be read: {error.strerror or error}"
        findings.append(_about(folder, "unreadable", message, "let this user list it"))
        return
    for entry in entries:
        if entry.name.startswith("."):  # among them the ..data links of a mounted ConfigMap
            continue
        if entry.is_dir():
            if os.path.realpath(entry) not in above:  # a link may lead back up
                yield from _in_folder(entry, findings, (*above, os.path.realpath(entry)))
        elif entry.suffix in _SUFFIXES:
            yield entry


def _is_of_another_kind(document: Document) -> bool:
    keys = frozenset(document.value) if isinstance(document.value, dict) else frozenset()
    return any(kind <= keys for kind in _OTHER_KINDS)


def _no_rule_file(document: Document) -> Finding:
    keys = ", ".join(document.value) if isinstance(document.value, dict) else "none"
    remedy = "put the rules under groups:, or move the file out of the rules folder"
    if isinstance(document.value, dict) and document.value.get("kind") == "PrometheusRule":
        remedy = "put what stands under spec: into a file of its own"
    message = f"this is no rule file: expected the key groups, its keys are: {keys or 'none'}"
    return Finding(
        code="not-a-rule-file", position=Position(file=document.file), message=message, remedy=remedy
    )


def _nothing(path: Path) -> Finding:
    if path.is_dir():
        return _about(
            path, "no-rules", f"the folder {path} holds no rule file", "put *.yml files with groups: there"
        )
    if glob.has_magic(str(path)):
        return _about(path, "missing-path", f"no file matches {path}", "correct the pattern")
    return _about(path, "no-rules", f"{path} holds no rules", "name a rule file")


def _about(path: Path, code: str, message: str, remedy: str) -> Finding:
    return Finding(code=code, position=Position(file=str(path), line=0), message=message, remedy=remedy)
