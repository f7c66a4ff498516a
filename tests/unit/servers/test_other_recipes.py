"""Servers from a system package, an archive of Maven, a build of Go, with tools that play their part."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from shopwatch_engine.exceptions import ServerUnavailable
from shopwatch_engine.servers.commands import Completed
from shopwatch_engine.servers.recipes import FromGo, FromMaven, FromSystem, Machine
from shopwatch_engine.servers.spec import GoModule, MavenArtifact, SystemPackage

REDIS = SystemPackage(package="redis-server", binaries={"redis-server": "/usr/lib/redis/*/redis-server"})
ELASTIC = MavenArtifact(
    group="org.elastic", artifact="search", version="8.1", binaries={"search": "search-{version}/bin/search"}
)
JAEGER = GoModule(module="example.com/jaeger", version="v1.2.3", package="./cmd/jaeger", binary="jaeger")


class Tools:
    """Records commands; ``does`` plays what one of them leaves behind."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: list[tuple[str, ...]] = []
        self.fails = ""
        (folder / "bin").mkdir()
        for tool in ("apt-get", "env", "mvn", "go"):
            (folder / "bin" / tool).write_text("#!/bin/sh\n")
            (folder / "bin" / tool).chmod(0o755)

    def run(
        self, command: Sequence[str], *, folder: Path, environ: Mapping[str, str], timeout_s: float
    ) -> Completed:
        assert timeout_s > 0
        assert environ["PATH"]
        told = tuple(Path(word).name if index == 0 else word for index, word in enumerate(command))
        self.asked.append(told)
        if self.fails and self.fails in told:
            return Completed(code=1, output=f"no {self.fails} here")
        return Completed(code=0, output=self.does(told, folder))

    def does(self, told: tuple[str, ...], folder: Path) -> str:
        if "install" in told:
            self.executable(self.folder / "usr/lib/redis/7.0/redis-server")
        if told[0] == "mvn":
            repository = Path(next(w for w in told if w.startswith("-Dmaven.repo.local=")).partition("=")[2])
            archive = repository / "org/elastic/search/8.1/search-8.1.zip"
            archive.parent.mkdir(parents=True)
            with zipfile.ZipFile(archive, "w") as packed:
                entry = zipfile.ZipInfo("search-8.1/bin/search")
                entry.external_attr = 0o100755 << 16
                packed.writestr(entry, "#!/bin/sh\n")
        if told[:2] == ("go", "mod"):
            (folder / "source").mkdir()
            return f'go: downloading\n{{"Dir": "{folder / "source"}"}}'
        if told[:2] == ("go", "build"):
            self.executable(Path(told[told.index("-o") + 1]))
        return ""

    @staticmethod
    def executable(path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("#!/bin/sh\n")
        path.chmod(0o755)

    def machine(self, *, is_root: bool = True) -> Machine:
        environ = {"PATH": str(self.folder / "bin")}
        return Machine(environ=environ, cache_folder=self.folder / "cache", run=self.run, is_root=is_root)


@pytest.fixture
def tools(tmp_path: Path) -> Tools:
    return Tools(tmp_path)


def test_what_the_system_has_is_taken_and_the_newest_of_it(tools: Tools, tmp_path: Path) -> None:
    for version in ("6.0", "7.2"):
        tools.executable(tmp_path / f"usr/lib/redis/{version}/redis-server")
    found = FromSystem(name="redis", source=REDIS, root=tmp_path).get(tools.machine(is_root=False))
    assert found.command("redis-server") == (str(tmp_path / "usr/lib/redis/7.2/redis-server"),)
    assert tools.asked == []


def test_what_the_system_lacks_is_installed_without_asking(tools: Tools, tmp_path: Path) -> None:
    found = FromSystem(name="redis", source=REDIS, root=tmp_path).get(tools.machine())
    assert found.command("redis-server") == (str(tmp_path / "usr/lib/redis/7.0/redis-server"),)
    (install,) = tools.asked
    assert "DEBIAN_FRONTEND=noninteractive" in install
    assert install[-1] == "redis-server"


def test_only_root_installs(tools: Tools, tmp_path: Path) -> None:
    with pytest.raises(ServerUnavailable, match="only root can install"):
        FromSystem(name="redis", source=REDIS, root=tmp_path).get(tools.machine(is_root=False))


def test_old_lists_are_brought_up_to_date_and_a_failure_is_told(tools: Tools, tmp_path: Path) -> None:
    tools.fails = "install"
    with pytest.raises(ServerUnavailable, match="apt-get install redis-server: no install here"):
        FromSystem(name="redis", source=REDIS, root=tmp_path).get(tools.machine())
    assert ["update" in told for told in tools.asked] == [False, True, False]


def test_an_archive_of_maven_is_unpacked_with_its_modes_and_pinned(tools: Tools) -> None:
    machine = tools.machine(is_root=False)
    found = FromMaven(name="search", source=ELASTIC).get(machine)
    (path,) = found.command("search")
    assert Path(path).stat().st_mode & 0o111
    assert found.version == "8.1"
    assert not (machine.cache_folder / "search" / "repository").exists()


def test_a_module_of_go_is_built_in_its_own_folder(tools: Tools) -> None:
    found = FromGo(name="jaeger", source=JAEGER).get(tools.machine(is_root=False))
    (path,) = found.command("jaeger")
    assert Path(path).is_file()
    assert [told[:2] for told in tools.asked] == [("go", "mod"), ("go", "build")]
    assert tools.asked[1][-1] == "./cmd/jaeger"


@pytest.mark.parametrize(("fails", "said"), [("mod", "go mod download"), ("build", "go build ./cmd/jaeger")])
def test_a_build_that_fails_says_at_what(tools: Tools, fails: str, said: str) -> None:
    tools.fails = fails
    with pytest.raises(ServerUnavailable, match=f"{said}.*: no {fails} here"):
        FromGo(name="jaeger", source=JAEGER).get(tools.machine())
