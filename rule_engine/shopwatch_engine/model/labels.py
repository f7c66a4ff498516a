"""Label sets and samples, as Prometheus means them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class LabelSet:
    """Labels sorted by name; a label with an empty value is no label at all."""

    pairs: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, labels: Mapping[str, str] | Iterable[tuple[str, str]]) -> LabelSet:
        """A label set of a mapping or of pairs (the last of a name wins), empty values left out."""
        return cls(tuple(sorted((name, value) for name, value in dict(labels).items() if value)))

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self.pairs)

    def __len__(self) -> int:
        return len(self.pairs)

    def __str__(self) -> str:
        inside = ", ".join(f'{name}="{_escaped(value)}"' for name, value in self.pairs)
        return "{" + inside + "}"

    def get(self, name: str, default: str = "") -> str:
        """The value of a label, or ``default``."""
        for key, value in self.pairs:
            if key == name:
                return value
        return default

    def as_dict(self) -> dict[str, str]:
        """A new dict of the labels."""
        return dict(self.pairs)

    def merged(self, other: LabelSet) -> LabelSet:
        """These labels with the other's laid over them."""
        return LabelSet.of({**dict(self.pairs), **dict(other.pairs)})

    def without(self, *names: str) -> LabelSet:
        """These labels less the named ones."""
        return LabelSet(tuple(pair for pair in self.pairs if pair[0] not in names))

    def only(self, names: Iterable[str]) -> LabelSet:
        """Of these labels the named ones."""
        wanted = frozenset(names)
        return LabelSet(tuple(pair for pair in self.pairs if pair[0] in wanted))

    @property
    def fingerprint(self) -> str:
        """32 hexadecimal digits that only this label set has; the same in every process."""
        digest = hashlib.blake2b(digest_size=16)
        for name, value in self.pairs:
            digest.update(name.encode("utf-8", "surrogatepass") + b"\xff")
            digest.update(value.encode("utf-8", "surrogatepass") + b"\xfe")
        return digest.hexdigest()


NO_LABELS: Final = LabelSet()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One series' value at the time of a query."""

    labels: LabelSet
    value: float


def common(sets: Iterable[LabelSet]) -> LabelSet:
    """The labels that all the sets share, value included."""
    shared: set[tuple[str, str]] | None = None
    for labels in sets:
        shared = set(labels.pairs) if shared is None else shared & set(labels.pairs)
    return LabelSet(tuple(sorted(shared or ())))


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
