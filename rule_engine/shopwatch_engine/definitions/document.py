"""A YAML file with the place of everything in it.

Scalars stay the texts they were written as (``severity: 1`` is "1", ``on`` is "on"), as Prometheus reads
them into text fields; the schema decides what must be a number. Knows nothing of what a file means.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias

import yaml

from shopwatch_engine.exceptions import DefinitionError
from shopwatch_engine.model import Finding, Position

Steps: TypeAlias = Sequence[str | int]
"""Keys and indexes from the top of a file down."""
Raw: TypeAlias = "dict[str, Raw] | list[Raw] | str | None"
"""A value as it is written."""

_LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the C one is ten times as fast
_MERGE: Final = "tag:yaml.org,2002:merge"
_NULL: Final = "tag:yaml.org,2002:null"
_MOST_VALUES: Final = 2_000_000
_MOST_DEPTH: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A YAML file: its value (maps, lists, texts, None) and where each part of it stands."""

    file: str
    value: Raw
    node: yaml.Node | None = field(default=None, repr=False)

    def position(self, path: Steps, *, of_key: bool = False) -> Position:
        """Where the value at a path stands (or its key); of what is not there, where it would belong."""
        node = self.node
        for depth, step in enumerate(path):
            pair = _step(node, step)
            if pair is None:
                break
            key, value = pair
            node = key if of_key and depth == len(path) - 1 else value
        return Position(file=self.file) if node is None else _position(self.file, node.start_mark)

    def at(self, path: Steps) -> Raw:
        """The value at a path; None when there is none."""
        value = self.value
        for step in path:
            if isinstance(value, dict):
                value = value.get(str(step))
            elif isinstance(value, list) and isinstance(step, int) and step < len(value):
                value = value[step]
            else:
                return None
        return value


def maps_in(value: Raw) -> list[tuple[int, dict[str, Raw]]]:
    """The maps of a list, each with its index; none of what is no list."""
    every = value if isinstance(value, list) else []
    return [(index, one) for index, one in enumerate(every) if isinstance(one, dict)]


def findings_of(error: DefinitionError) -> tuple[Finding, ...]:
    """The findings that an error carries."""
    return tuple(one for one in error.findings if isinstance(one, Finding))


def in_order(findings: Iterable[Finding], files: Sequence[str] = ()) -> tuple[Finding, ...]:
    """The findings by file (those of ``files`` in that order, the others before them), line and column."""
    order = {file: index for index, file in enumerate(files)}

    def place(one: Finding) -> tuple[int, str, int, int]:
        at = one.position
        return (order.get(at.file, -1), at.file, at.line, at.column)

    return tuple(sorted(findings, key=place))


def read_text(path: Path, *, code: str = "unreadable") -> str:
    """A file's text.

    Raises:
        DefinitionError: it is not there, cannot be read, or is not UTF-8.
    """
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        reason, place = "is not UTF-8", Position(file=str(path), line=line)
    except FileNotFoundError:
        code = "missing-path" if code == "unreadable" and not path.is_symlink() else code
        reason, place = "does not exist", Position(file=str(path), line=0)
    except OSError as error:
        reason, place = f"cannot be read: {error.strerror or error}", Position(file=str(path), line=0)
    remedy = "correct the path, or put the file there and let this user read it"
    raise DefinitionError(
        (Finding(code=code, position=place, message=f"the file {path} {reason}", remedy=remedy),)
    )


def read_document(path: Path) -> Document:
    """A YAML file.

    Raises:
        DefinitionError: it cannot be read, does not parse, or repeats a key; with every such finding.
    """
    return parse_document(read_text(path), file=str(path))


def parse_document(text: str, *, file: str) -> Document:
    """A YAML text.

    Raises:
        DefinitionError: it does not parse, or repeats a key; with every such finding.
    """
    node = _composed(text, file)
    builder = _Builder(file)
    value = None if node is None else builder.build(node, 0)
    if builder.findings:
        raise DefinitionError(tuple(builder.findings))
    return Document(file=file, value=value, node=node)


def _composed(text: str, file: str) -> yaml.Node | None:
    loader = None
    try:
        loader = _LOADER(text)
        node: yaml.Node | None = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        reason = ", ".join(part for part in (error.context, error.problem) if part)
        mark = error.problem_mark or error.context_mark
        if "end of stream" in reason:  # what was never closed stands where it began
            mark = error.context_mark or mark
        raise _bad_yaml(Position(file=file) if mark is None else _position(file, mark), reason) from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, int(error.position)) + 1
        raise _bad_yaml(Position(file=file, line=line), str(error.reason)) from error
    except (RecursionError, yaml.YAMLError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise _bad_yaml(Position(file=file), reason) from error
    finally:
        if loader is not None:
            loader.dispose()
    return node


def _bad_yaml(place: Position, reason: str) -> DefinitionError:
    remedy = "mend the YAML here: often an indentation, a missing quote or a tab just before this place"
    message = f"the file is not YAML: {reason}"
    return DefinitionError((Finding(code="bad-yaml", position=place, message=message, remedy=remedy),))


def _position(file: str, mark: yaml.Mark) -> Position:
    return Position(file=file, line=mark.line + 1, column=mark.column + 1)


def _step(node: yaml.Node | None, step: str | int) -> tuple[yaml.Node, yaml.Node] | None:
    """The key's and the value's node one step down."""
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step], node.value[step]
    if not isinstance(node, yaml.MappingNode):
        return None
    for key, value in node.value:
        if key.tag != _MERGE and key.value == step:
            return key, value
    merged = (_step(one, step) for one in _merged(node))
    return next((pair for pair in merged if pair is not None), None)


def _merged(node: yaml.MappingNode) -> list[yaml.Node]:
    """The maps that a map merges into itself by ``<<``, the strongest first."""
    sources: list[yaml.Node] = []
    for key, value in node.value:
        if key.tag == _MERGE:
            sources.extend(value.value if isinstance(value, yaml.SequenceNode) else [value])
    return sources


class _Builder:
    """Makes values of nodes, and notes what is wrong on the way."""

    def __init__(self, file: str) -> None:
        self.findings: list[Finding] = []
        self._file = file
        self._values = 0

    def build(self, node: yaml.Node, depth: int) -> Raw:
        self._values += 1
        if depth > _MOST_DEPTH or self._values > _MOST_VALUES:
            if not self._refused():
                self._note(
                    "bad-yaml", node, "the file nests or repeats itself without end", "remove the loop"
                )
            return None
        if isinstance(node, yaml.MappingNode):
            return self._map(node, depth)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(one, depth + 1) for one in node.value]
        return None if node.tag == _NULL else str(node.value)

    def _map(self, node: yaml.MappingNode, depth: int) -> dict[str, Raw]:
        built: dict[str, Raw] = {}
        for source in reversed(_merged(node)):
            inherited = self.build(source, depth + 1)
            built.update(inherited if isinstance(inherited, dict) else {})
        own: dict[str, int] = {}
        for key, value in node.value:
            if key.tag == _MERGE:
                continue
            name = str(key.value)
            if not isinstance(key, yaml.ScalarNode):
                self._note("bad-yaml", key, "a key is a map or a list: expected a text", "quote or mend it")
            elif name in own:
                first = f"{name!r} stands here a second time, first in line {own[name]}"
                self._note("duplicate-key", key, first, "keep one of the two: YAML would use the last alone")
            else:
                own[name] = key.start_mark.line + 1
                built[name] = self.build(value, depth + 1)
        return built

    def _refused(self) -> bool:
        return any(one.code == "bad-yaml" for one in self.findings)

    def _note(self, code: str, node: yaml.Node, message: str, remedy: str) -> None:
        place = _position(self._file, node.start_mark)
        self.findings.append(Finding(code=code, position=place, message=message, remedy=remedy))
