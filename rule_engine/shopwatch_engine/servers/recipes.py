"""Ways to get a server onto this machine: a package, an archive, a build, an image. One class a way.

Each answers with what it found, or raises ServerUnavailable with the reason in a line; ``finder``
goes through them in order.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Protocol

from shopwatch_engine.exceptions import ServerUnavailable
from shopwatch_engine.servers import cache
from shopwatch_engine.servers.commands import Completed, Run
from shopwatch_engine.servers.spec import (
    DebianPackage,
    DockerImage,
    FoundServer,
    GoModule,
    MavenArtifact,
    ServerSpec,
    SystemPackage,
)

_DOWNLOAD_S = 300.0
_PULL_S = 900.0
_BUILD_S = 1_800.0
_ASK_S = 20.0
_DEBIAN_KEYS: Final = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """This machine, as far as recipes care: its environment, its cache, its tools, who we are."""

    environ: Mapping[str, str]
    cache_folder: Path
    run: Run
    is_root: bool = False
    user: str = ""  # "uid:gid", for files that a container writes
    platform: str = sys.platform

    def tool(self, name: str) -> str:
        """The path of a tool.

        Raises:
            ServerUnavailable: it is not on PATH.
        """
        found = shutil.which(name, path=self.environ.get("PATH", ""))
        if found is None:
            raise ServerUnavailable(f"{name} is not on PATH")
        return found

    def asked(self, *command: str, timeout_s: float = _ASK_S, folder: Path | None = None) -> Completed:
        """What a command answered."""
        return self.run(command, folder=folder or Path("/"), environ=self.environ, timeout_s=timeout_s)


def this_machine(environ: Mapping[str, str], run: Run) -> Machine:
    """The machine that we run on."""
    return Machine(
        environ=environ,
        cache_folder=cache.cache_folder(environ),
        run=run,
        is_root=os.geteuid() == 0,
        user=f"{os.getuid()}:{os.getgid()}",
    )


class Recipe(Protocol):
    """One way to get a server."""

    @property
    def origin(self) -> str:
        """A word for it: what ``FoundServer.origin`` says."""
        ...

    def get(self, machine: Machine) -> FoundServer:
        """The server.

        Raises:
            ServerUnavailable: not this way, not here; the message says why in a line.
        """
        ...


def recipes(spec: ServerSpec) -> Sequence[Recipe]:
    """The ways to get a server that its row of the table names, the cheapest first."""
    found: list[Recipe] = []
    if spec.system:
        found.append(FromSystem(name=spec.name, source=spec.system))
    if spec.debian:
        way = FromDebianSuite if spec.debian.suite else FromDebian
        found.append(way(name=spec.name, source=spec.debian))
    if spec.maven:
        found.append(FromMaven(name=spec.name, source=spec.maven))
    if spec.go:
        found.append(FromGo(name=spec.name, source=spec.go))
    if spec.docker:
        found.append(FromDocker(name=spec.name, source=spec.docker))
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class FromDebian:
    """Downloads a package with apt, which verifies its signature, and unpacks it; needs no root."""

    name: str
    source: DebianPackage
    origin: str = "debian"

    def get(self, machine: Machine) -> FoundServer:
        """Download, unpack into the cache, pin."""
        apt, dpkg = machine.tool("apt-get"), machine.tool("dpkg")
        version = self._version(machine, apt)

        def unpack(home: Path) -> Mapping[str, str]:
            for package in (self.source.package, *self._companions(machine)):
                archive = self._download(machine, apt, package, home)
                unpacked = machine.asked(dpkg, "-x", str(archive), ".", folder=home, timeout_s=_DOWNLOAD_S)
                _done(unpacked, "dpkg -x")
                archive.unlink()
            self._require_binaries(home)
            return self.source.binaries

        kept = cache.put(machine.cache_folder, self.name, version=version, unpack=unpack)
        paths = {binary: (str(path),) for binary, path in kept.binaries.items()}
        return FoundServer(name=self.name, paths=paths, origin=self.origin, version=kept.version)

    def _version(self, machine: Machine, apt: str) -> str:
        """The version that apt would take; asks apt for its lists once where it has none."""
        show = (machine.tool("apt-cache"), "show", "--no-all-versions", self.source.package)
        answer = machine.asked(*show)
        if answer.code and machine.is_root:
            machine.asked(apt, "update", "-qq", timeout_s=_DOWNLOAD_S)
            answer = machine.asked(*show)
        for line in answer.output.splitlines():
            if line.startswith("Version:"):
                return line.removeprefix("Version:").strip()
        raise ServerUnavailable(f"apt knows no package {self.source.package} (apt-get update may help)")

    def _companions(self, machine: Machine) -> tuple[str, ...]:
        """Those of the companions that this release has."""
        show = (machine.tool("apt-cache"), "show", "--no-all-versions")
        return tuple(one for one in self.source.companions if not machine.asked(*show, one).code)

    def _require_binaries(self, home: Path) -> None:
        missing = [path for path in self.source.binaries.values() if not (home / path).is_file()]
        if missing:
            raise ServerUnavailable(f"the package {self.source.package} has no {' and no '.join(missing)}")

    def _download(self, machine: Machine, apt: str, package: str, home: Path) -> Path:
        download = (apt, "download", "-qq", package)
        answer = machine.asked(*download, folder=home, timeout_s=_DOWNLOAD_S)
        if answer.code and machine.is_root:  # old lists name packages that the mirror has replaced
            machine.asked(apt, "update", "-qq", timeout_s=_DOWNLOAD_S)
            answer = machine.asked(*download, folder=home, timeout_s=_DOWNLOAD_S)
        _done(answer, f"apt-get download {package}")
        archives = sorted(home.glob("*.deb"))
        if not archives:
            raise ServerUnavailable(f"apt-get download {package} left no package")
        return archives[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class FromDebianSuite:
    """As ``FromDebian``, from a suite that the machine itself may not use, over package lists of its own."""

    name: str
    source: DebianPackage
    origin: str = "debian"
    keys: Path = _DEBIAN_KEYS

    def get(self, machine: Machine) -> FoundServer:
        """Fetch the suite's lists from the machine's mirror, then go on as for the machine's own suite."""
        mirror = self._mirror(machine, machine.tool("apt-get"))
        with tempfile.TemporaryDirectory(prefix="shopwatch-apt-") as folder:
            options = self._options(Path(folder), mirror)

            def run(
                command: Sequence[str], *, folder: Path, environ: Mapping[str, str], timeout_s: float
            ) -> Completed:
                program, *arguments = command
                added = options if Path(program).name in ("apt-get", "apt-cache") else ()
                return machine.run(
                    (program, *added, *arguments), folder=folder, environ=environ, timeout_s=timeout_s
                )

            # Lists of our own may be updated by whoever we are.
            ours = replace(machine, run=run, is_root=True)
            return FromDebian(name=self.name, source=self.source).get(ours)

    def _mirror(self, machine: Machine, apt: str) -> str:
        """Where the machine has its Debian packages from; asks apt for its lists once where it has none."""
        ask = (apt, "indextargets", "--format", "$(ORIGIN) $(REPO_URI)", "Created-By: Packages")
        answer = machine.asked(*ask)
        if not answer.output.strip() and machine.is_root:
            machine.asked(apt, "update", "-qq", timeout_s=_DOWNLOAD_S)
            answer = machine.asked(*ask)
        for line in answer.output.splitlines():
            origin, _, address = line.partition(" ")
            if origin == "Debian" and not address.rstrip("/").endswith("-security"):
                return address
        raise ServerUnavailable("apt knows no mirror of Debian (apt-get update may help)")

    def _options(self, folder: Path, mirror: str) -> tuple[str, ...]:
        if not self.keys.is_file():
            raise ServerUnavailable(f"{self.keys} is not there: install debian-archive-keyring")
        lists, sources = folder / "lists", folder / "sources.list"  # apt clears the folder of its lists
        (lists / "partial").mkdir(parents=True)
        sources.write_text(
            f"deb [signed-by={self.keys}] {mirror} {self.source.suite} main\n", encoding="utf-8"
        )
        settings = (
            f"Dir::Etc::sourcelist={sources}",
            "Dir::Etc::sourceparts=-",
            f"Dir::State::lists={lists}",
            "Dir::Cache::pkgcache=",
            "Dir::Cache::srcpkgcache=",
            "APT::Sandbox::User=",
        )
        return tuple(word for setting in settings for word in ("-o", setting))


@dataclass(frozen=True, slots=True, kw_only=True)
class FromSystem:
    """Takes what the system has installed, or has apt install it, which needs root."""

    name: str
    source: SystemPackage
    origin: str = "system"
    root: Path = Path("/")

    def get(self, machine: Machine) -> FoundServer:
        """Look, install if it must be, and look again."""
        if missing := self._missing():
            apt = machine.tool("apt-get")
            if not machine.is_root:
                raise ServerUnavailable(f"no {' and no '.join(missing)}; only root can install packages")
            self._install(machine, apt)
        if missing := self._missing():
            raise ServerUnavailable(f"the package {self.source.package} has no {' and no '.join(missing)}")
        paths = {binary: (str(self._found(binary)),) for binary in self.source.binaries}
        return FoundServer(name=self.name, paths=paths, origin=self.origin)

    def _install(self, machine: Machine, apt: str) -> None:
        quietly = (machine.tool("env"), "DEBIAN_FRONTEND=noninteractive", apt)
        install = (*quietly, "install", "-y", "-qq", "--no-install-recommends", self.source.package)
        answer = machine.asked(*install, timeout_s=_DOWNLOAD_S)
        if answer.code:  # no lists, or old ones
            machine.asked(*quietly, "update", "-qq", timeout_s=_DOWNLOAD_S)
            answer = machine.asked(*install, timeout_s=_DOWNLOAD_S)
        _done(answer, f"apt-get install {self.source.package}")

    def _missing(self) -> list[str]:
        return [binary for binary in self.source.binaries if self._found(binary) is None]

    def _found(self, binary: str) -> Path | None:
        matches = self.root.glob(self.source.binaries[binary].lstrip("/"))
        return max((path for path in matches if os.access(path, os.X_OK)), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class FromMaven:
    """Has Maven fetch and verify an archive, and unpacks it into the cache."""

    name: str
    source: MavenArtifact
    origin: str = "maven"

    def get(self, machine: Machine) -> FoundServer:
        """Fetch, unpack, pin."""
        source = self.source
        maven = machine.tool("mvn")
        binaries = {binary: at.format(version=source.version) for binary, at in source.binaries.items()}

        def unpack(home: Path) -> Mapping[str, str]:
            repository = home / "repository"
            fetch = (
                maven,
                "--batch-mode",
                "--quiet",
                f"-Dmaven.repo.local={repository}",
                "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:get",
                f"-Dartifact={source.group}:{source.artifact}:{source.version}:zip",
                "-Dtransitive=false",
            )
            _done(machine.asked(*fetch, folder=home, timeout_s=_PULL_S), "mvn dependency:get")
            folder = repository.joinpath(*source.group.split("."), source.artifact, source.version)
            _unzip(folder / f"{source.artifact}-{source.version}.zip", home)
            shutil.rmtree(repository)
            return binaries

        kept = cache.put(machine.cache_folder, self.name, version=source.version, unpack=unpack)
        paths = {binary: (str(path),) for binary, path in kept.binaries.items()}
        return FoundServer(name=self.name, paths=paths, origin=self.origin, version=kept.version)


def _unzip(archive: Path, home: Path) -> None:
    """Unpack with the modes that the archive has, which ``ZipFile.extractall`` leaves out."""
    with zipfile.ZipFile(archive) as packed:
        for entry in packed.infolist():
            path = Path(packed.extract(entry, home))
            mode = entry.external_attr >> 16
            if mode and not entry.is_dir():
                path.chmod(mode & 0o777)


@dataclass(frozen=True, slots=True, kw_only=True)
class FromGo:
    """Downloads a module of Go, verified by Go's checksum database, and builds it; takes minutes, once."""

    name: str
    source: GoModule
    origin: str = "go"

    def get(self, machine: Machine) -> FoundServer:
        """Download, build, pin."""
        source = self.source
        go = machine.tool("go")

        def unpack(home: Path) -> Mapping[str, str]:
            download = (go, "mod", "download", "-json", f"{source.module}@{source.version}")
            answer = machine.asked(*download, folder=home, timeout_s=_DOWNLOAD_S)
            _done(answer, f"go mod download {source.module}")
            folder = Path(json.loads(answer.output[answer.output.index("{") :])["Dir"])
            build = (
                go,
                "build",
                "-trimpath",
                "-ldflags=-s -w",
                "-o",
                str(home / source.binary),
                source.package,
            )
            _done(machine.asked(*build, folder=folder, timeout_s=_BUILD_S), f"go build {source.package}")
            return {source.binary: source.binary}

        kept = cache.put(machine.cache_folder, self.name, version=source.version, unpack=unpack)
        paths = {binary: (str(path),) for binary, path in kept.binaries.items()}
        return FoundServer(name=self.name, paths=paths, origin=self.origin, version=kept.version)


@dataclass(frozen=True, slots=True, kw_only=True)
class FromDocker:
    """Runs an image in the machine's own network, so that loopback addresses mean the same inside.

    Ending the ``docker run`` with SIGTERM ends the container; a SIGKILL would leave it running.
    """

    name: str
    source: DockerImage
    origin: str = "docker"

    def get(self, machine: Machine) -> FoundServer:
        """Ask the engine whether it is there, and have it pull the image if it must."""
        docker = machine.tool("docker")
        if machine.platform != "linux":
            raise ServerUnavailable(f"--network host needs Linux, and this is {machine.platform}")
        _done(machine.asked(docker, "version", "--format", "{{.Server.Version}}"), "the docker engine")
        if machine.asked(docker, "image", "inspect", self.source.image).code:
            pulled = machine.asked(docker, "pull", "--quiet", self.source.image, timeout_s=_PULL_S)
            _done(pulled, f"docker pull {self.source.image}")
        start = (docker, "run", "--rm", "--network", "host", "--user", machine.user, "--entrypoint")
        paths = {binary: (*start, at, self.source.image) for binary, at in self.source.binaries.items()}
        version = self.source.image.rpartition(":")[2]
        return FoundServer(
            name=self.name, paths=paths, origin=self.origin, version=version, image=self.source.image
        )


def _done(answer: Completed, what: str) -> None:
    if answer.code:
        raise ServerUnavailable(f"{what}: {answer.last_line}")
