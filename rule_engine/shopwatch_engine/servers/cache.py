"""The cache of servers: a folder each, with a manifest that pins what was put there.

Nothing is run from the cache whose bytes are not those that the package manager had verified.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from shopwatch_engine.exceptions import ServerUnavailable

MANIFEST: Final = "manifest.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cached:
    """A server in the cache: its version, and its binaries' paths."""

    version: str
    binaries: Mapping[str, Path]


def cache_folder(environ: Mapping[str, str]) -> Path:
    """Where servers are kept: SHOPWATCH_CACHE, else ``~/.cache/shopwatch``, in ``servers``."""
    named = environ.get("SHOPWATCH_CACHE")
    home = Path(environ.get("HOME") or Path.home())
    return (Path(named) if named else home / ".cache" / "shopwatch") / "servers"


def look_up(folder: Path, name: str) -> Cached | None:
    """The cached server, or None when there is none.

    Raises:
        ServerUnavailable: it is there, but not as it was put there.
    """
    home = folder / name
    try:
        manifest = json.loads((home / MANIFEST).read_text(encoding="utf-8"))
        version = str(manifest["version"])
        pinned = {
            str(binary): (str(at), str(digest)) for binary, (at, digest) in manifest["binaries"].items()
        }
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ServerUnavailable(
            f"{home / MANIFEST} cannot be read ({type(error).__name__}); remove the folder {home}"
        ) from error
    for binary, (at, digest) in pinned.items():
        _verify(home / at, binary=binary, digest=digest, home=home)
    return Cached(version=version, binaries={binary: home / at for binary, (at, _) in pinned.items()})


def put(folder: Path, name: str, *, version: str, unpack: Callable[[Path], Mapping[str, str]]) -> Cached:
    """Let ``unpack`` fill a new folder, pin the binaries it names, and make that the cached server.

    The folder appears whole or not at all, so that two processes may do this at the same time: the
    first one wins, and both use what it made.

    Raises:
        ServerUnavailable: ``unpack`` raised it, or the cache cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=folder) as parent:
            made = Path(parent) / name
            made.mkdir()
            _write_manifest(made, version=version, binaries=unpack(made))
            _move(made, folder / name)
    except OSError as error:
        raise ServerUnavailable(f"the cache folder {folder} cannot be written: {error.strerror}") from error
    cached = look_up(folder, name)
    if cached is None:
        raise ServerUnavailable(f"{folder / name} vanished while it was made; try again")
    return cached


def _move(made: Path, home: Path) -> None:
    try:
        made.rename(home)
    except OSError:
        if not (home / MANIFEST).is_file():  # another process's folder is as good as ours
            raise


def _write_manifest(home: Path, *, version: str, binaries: Mapping[str, str]) -> None:
    pinned = {binary: (at, _sha256(home / at)) for binary, at in binaries.items()}
    text = json.dumps({"version": version, "binaries": pinned}, indent=2, sort_keys=True)
    (home / MANIFEST).write_text(text + "\n", encoding="utf-8")


def _verify(path: Path, *, binary: str, digest: str, home: Path) -> None:
    remedy = f"remove the folder {home}"
    if not path.is_file() or not os.access(path, os.X_OK):
        raise ServerUnavailable(f"the cached {binary} ({path}) is not there or cannot be run; {remedy}")
    if _sha256(path) != digest:
        raise ServerUnavailable(f"the cached {binary} ({path}) is not the file that was put there; {remedy}")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
