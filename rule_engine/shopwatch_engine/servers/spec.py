"""What is known of a real server, and what was found of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class DebianPackage:
    """A package of Debian or Ubuntu whose binaries run from any folder.

    ``binaries`` are their paths inside the package, or inside one of ``companions``, packages into which
    some releases have split it and which others do not know. ``suite`` names the release of Debian to take
    it from where the machine's own may have none or one too old; the machine's package lists stay as they
    are.
    """

    package: str
    binaries: Mapping[str, str]
    companions: tuple[str, ...] = ()
    suite: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemPackage:
    """A package of Debian or Ubuntu that has to be installed, since it needs libraries or scripts of its own.

    ``binaries`` are glob patterns of absolute paths; the last match, by name, is taken.
    """

    package: str
    binaries: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class MavenArtifact:
    """A zip in Maven's central repository; ``binaries`` are paths inside it, with ``{version}``."""

    group: str
    artifact: str
    version: str
    binaries: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class GoModule:
    """A module of Go whose ``package`` is built in its folder, by its own list of checksums."""

    module: str
    version: str
    package: str
    binary: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DockerImage:
    """An image, pinned; ``binaries`` are the entry points inside it."""

    image: str
    binaries: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSpec:
    """One real server: what it is called, and every way to get it.

    ``environ_name`` names an environment variable that holds the path of its first binary, or of the
    folder that holds all of them.
    """

    name: str
    binaries: tuple[str, ...]
    environ_name: str
    debian: DebianPackage | None = None
    system: SystemPackage | None = None
    maven: MavenArtifact | None = None
    go: GoModule | None = None
    docker: DockerImage | None = None
    remedies: tuple[str, ...] = ()  # how a person gets it, a platform a line
    notes: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundServer:
    """A server that can be started here.

    ``paths`` gives each binary's command prefix (a path; for an image a whole ``docker run``).
    ``origin`` says where it is from: ``environment``, ``PATH``, ``cache``, ``debian``, ``system``, ``maven``,
    ``go`` or ``docker``.
    """

    name: str
    paths: Mapping[str, tuple[str, ...]]
    origin: str
    version: str = ""
    image: str = ""

    def command(self, binary: str, *, folders: Sequence[Path] = ()) -> tuple[str, ...]:
        """The command prefix of a binary that must see these folders under their own paths.

        Only an image needs telling of folders: they are mounted into its container.
        """
        prefix = self.paths[binary]
        if not self.image:
            return prefix
        at = prefix.index(self.image)
        mounts = [word for folder in folders for word in ("--volume", f"{folder}:{folder}")]
        return (*prefix[:at], *mounts, *prefix[at:])

    def __str__(self) -> str:
        where = self.image or " ".join(prefix[0] for prefix in self.paths.values())
        version = f" {self.version}" if self.version else ""
        return f"{self.name}{version} (from {self.origin}): {where}"
