"""Finding a server: named by the environment, on PATH, in the cache, or got by a recipe."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from shopwatch_engine.exceptions import ServerUnavailable
from shopwatch_engine.servers import cache
from shopwatch_engine.servers.commands import Run, run_command
from shopwatch_engine.servers.recipes import Machine, recipes, this_machine
from shopwatch_engine.servers.spec import FoundServer, ServerSpec
from shopwatch_engine.servers.table import SERVERS

_Way = tuple[str, Callable[[], FoundServer]]


def find(
    name: str,
    *,
    environ: Mapping[str, str],
    run: Run = run_command,
    binaries: Sequence[str] = (),
    machine: Machine | None = None,
) -> FoundServer:
    """A server that can be started here; it may be downloaded first.

    Args:
        name: a name of the server table.
        environ: the environment; the server's own variable, SHOPWATCH_CACHE, HOME and PATH are read.
        run: runs the package manager and docker.
        binaries: those that are needed, if not all of the server's.
        machine: this machine, for tests of another.

    Raises:
        ServerUnavailable: not on this machine; the message lists what was tried, and the remedies.
    """
    spec = _spec(name)
    if binaries:
        spec = replace(spec, binaries=tuple(binaries))
    if environ.get(spec.environ_name):
        return _from_environment(spec, environ)
    machine = machine or this_machine(environ, run)
    tried = []
    for origin, way in _ways(spec, machine):
        try:
            return way()
        except ServerUnavailable as error:
            tried.append(f"  {origin}: {error}")
    raise ServerUnavailable(_remedy(spec, tried))


def _spec(name: str) -> ServerSpec:
    spec = SERVERS.get(name)
    if spec is None:
        raise ServerUnavailable(f"no server is called {name!r}; there are: {', '.join(SERVERS)}")
    return spec


def _ways(spec: ServerSpec, machine: Machine) -> list[_Way]:
    ways: list[_Way] = [
        ("PATH", lambda: _from_path(spec, machine.environ)),
        ("cache", lambda: _from_cache(spec, machine.cache_folder)),
    ]
    ways.extend((recipe.origin, partial(recipe.get, machine)) for recipe in recipes(spec))
    if spec.system:  # what PATH has may be a script of the package that wants to be started its own way
        ways.append(ways.pop(0))
    return ways


def _from_environment(spec: ServerSpec, environ: Mapping[str, str]) -> FoundServer:
    """What the person named, or an error: whoever names one does not want another."""
    named = Path(environ[spec.environ_name])
    folder = named if named.is_dir() else named.parent
    first = named if named.is_file() else folder / spec.binaries[0]
    paths = {binary: first if index == 0 else folder / binary for index, binary in enumerate(spec.binaries)}
    for binary, path in paths.items():
        if not (path.is_file() and os.access(path, os.X_OK)):
            raise ServerUnavailable(
                f"{spec.environ_name}={named} names no {binary} that can be run ({path}); give the path of "
                f"the {spec.binaries[0]} binary or of the folder that holds {', '.join(spec.binaries)}"
            )
    commands = {binary: (str(path),) for binary, path in paths.items()}
    return FoundServer(name=spec.name, paths=commands, origin="environment")


def _from_path(spec: ServerSpec, environ: Mapping[str, str]) -> FoundServer:
    found = {binary: shutil.which(binary, path=environ.get("PATH", "")) for binary in spec.binaries}
    missing = [binary for binary, path in found.items() if path is None]
    if missing:
        raise ServerUnavailable(f"no {' and no '.join(missing)}")
    paths = {binary: (path,) for binary, path in found.items() if path}
    return FoundServer(name=spec.name, paths=paths, origin="PATH")


def _from_cache(spec: ServerSpec, folder: Path) -> FoundServer:
    kept = cache.look_up(folder, spec.name)
    if kept is None:
        raise ServerUnavailable(f"none in {folder}")
    paths = {binary: (str(path),) for binary, path in kept.binaries.items()}
    return FoundServer(name=spec.name, paths=paths, origin="cache", version=kept.version)


def _remedy(spec: ServerSpec, tried: Sequence[str]) -> str:
    asked = f"  environment: {spec.environ_name} is not set"
    remedies = [f"  {remedy}" for remedy in spec.remedies]
    return "\n".join(
        [f"{spec.name} cannot be had on this machine. Tried:", asked, *tried, "To get it:", *remedies]
    )
