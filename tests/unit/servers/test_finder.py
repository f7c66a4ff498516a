from __future__ import annotations

import os
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from shopwatch_engine.exceptions import ServerUnavailable
from shopwatch_engine.servers import FoundServer, find, run_command
from shopwatch_engine.servers.recipes import this_machine

APT_GET = """#!/bin/sh
echo "apt-get $*" >> "$LOG"
case "$1" in
  update) : > "$LOG.updated" ;;
  download) [ -z "$APT_FAILS" ] || { echo "E: Failed to fetch $APT_FAILS"; exit 100; }
            echo archive > "$3_9.9_amd64.deb" ;;
esac
"""
APT_CACHE = """#!/bin/sh
echo "apt-cache $*" >> "$LOG"
if [ -n "$LISTS_EMPTY" ] && [ ! -e "$LOG.updated" ]; then echo "N: No packages found"; exit 100; fi
for package; do :; done
if [ "$package" = promtool ] && [ -z "$SPLIT" ]; then echo "N: No packages found"; exit 100; fi
echo "Package: $package"
echo "Version: 9.9-1"
"""
DPKG = """#!/bin/sh
echo "dpkg $*" >> "$LOG"
/bin/mkdir -p usr/bin
case "$2" in
  */promtool_*) binaries="promtool" ;;
  *) binaries="prometheus"; [ -n "$SPLIT" ] || [ -n "$WITHOUT_PROMTOOL" ] || binaries="prometheus promtool" ;;
esac
for binary in $binaries; do echo "#!/bin/sh" > usr/bin/$binary; /bin/chmod 755 usr/bin/$binary; done
"""
DOCKER = """#!/bin/sh
echo "docker $*" >> "$LOG"
[ -z "$ENGINE_DOWN" ] || { echo "Cannot connect to the Docker daemon"; exit 1; }
if [ "$1 $2" = "image inspect" ]; then exit 1; fi
if [ "$1" = "pull" ] && [ -n "$PULL_FAILS" ]; then echo "manifest unknown"; exit 1; fi
"""
TOOLS = {"apt-get": APT_GET, "apt-cache": APT_CACHE, "dpkg": DPKG, "docker": DOCKER}


class Box:
    """A machine in a folder: its PATH, its cache, and a record of the tools that were run."""

    def __init__(self, folder: Path) -> None:
        self.bin = folder / "bin"
        self.bin.mkdir()
        self.log = folder / "log"
        self.cache = folder / "cache"
        self.environ = {
            "PATH": str(self.bin),
            "SHOPWATCH_CACHE": str(self.cache),
            "HOME": str(folder),
            "LOG": str(self.log),
        }

    def has(self, *tools: str) -> Box:
        for tool in tools:
            executable(self.bin / tool, TOOLS.get(tool, "#!/bin/sh\n"))
        return self

    def find(self, *, is_root: bool = False, platform: str = "linux", **environ: str) -> FoundServer:
        self.environ.update(environ)
        machine = replace(
            this_machine(self.environ, run_command), is_root=is_root, user="7:8", platform=platform
        )
        return find("prometheus", environ=self.environ, machine=machine)

    @property
    def ran(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []


def executable(path: Path, text: str = "#!/bin/sh\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path)


@pytest.mark.parametrize("named", ["folder", "binary"])
def test_the_environment_comes_first(box: Box, tmp_path: Path, named: str) -> None:
    box.has("prometheus", "promtool")
    own = executable(tmp_path / "own" / "prometheus")
    executable(tmp_path / "own" / "promtool")
    found = box.find(SHOPWATCH_PROMETHEUS_BIN=str(own.parent if named == "folder" else own))
    assert found.origin == "environment"
    assert found.paths == {"prometheus": (str(own),), "promtool": (str(own.parent / "promtool"),)}


def test_a_wrong_environment_variable_is_an_error_not_a_reason_to_look_on(box: Box, tmp_path: Path) -> None:
    box.has("prometheus", "promtool")
    with pytest.raises(ServerUnavailable, match=r"SHOPWATCH_PROMETHEUS_BIN=.*nothing.* names no prometheus"):
        box.find(SHOPWATCH_PROMETHEUS_BIN=str(tmp_path / "nothing"))


def test_then_path(box: Box) -> None:
    found = box.has("prometheus", "promtool", *TOOLS).find()
    assert found.origin == "PATH"
    assert found.paths["promtool"] == (str(box.bin / "promtool"),)
    assert not box.ran


def test_only_the_binaries_that_are_needed_must_be_there(box: Box) -> None:
    box.has("prometheus")
    assert find("prometheus", environ=box.environ, binaries=("prometheus",)).origin == "PATH"


def test_then_debian_and_from_then_on_the_cache(box: Box) -> None:
    box.has("apt-get", "apt-cache", "dpkg", "docker")
    made = box.find()
    assert (made.origin, made.version) == ("debian", "9.9-1")
    assert Path(made.paths["prometheus"][0]).is_relative_to(box.cache)
    commands = box.ran
    again = box.find()
    assert (again.origin, again.version, again.paths) == ("cache", "9.9-1", made.paths)
    assert box.ran == commands
    assert not any("update" in command for command in commands)
    assert [path.name for path in (box.cache / "servers").iterdir()] == ["prometheus"]


def test_a_release_that_has_split_the_package_gives_both_parts(box: Box) -> None:
    made = box.has("apt-get", "apt-cache", "dpkg").find(SPLIT="1")
    assert [Path(made.paths[binary][0]).is_file() for binary in ("prometheus", "promtool")] == [True, True]
    assert [command for command in box.ran if "download" in command] == [
        "apt-get download -qq prometheus",
        "apt-get download -qq promtool",
    ]


def test_a_package_without_a_binary_is_named(box: Box) -> None:
    with pytest.raises(ServerUnavailable, match="the package prometheus has no usr/bin/promtool"):
        box.has("apt-get", "apt-cache", "dpkg").find(WITHOUT_PROMTOOL="1")


@pytest.mark.parametrize(
    ("is_root", "origin"),
    [pytest.param(True, "debian", id="root"), pytest.param(False, "docker", id="not-root")],
)
def test_empty_lists_are_fetched_once_by_root_alone(box: Box, is_root: bool, origin: str) -> None:  # noqa: FBT001 - a table's column
    found = box.has(*TOOLS).find(is_root=is_root, LISTS_EMPTY="1")
    assert found.origin == origin
    assert sum("update" in command for command in box.ran) == int(is_root)


def test_a_cached_binary_that_was_changed_is_never_run(box: Box) -> None:
    made = box.has("apt-get", "apt-cache", "dpkg").find()
    Path(made.paths["promtool"][0]).write_text("#!/bin/sh\necho changed\n")
    with pytest.raises(
        ServerUnavailable, match=r"cached promtool .* is not the file that was put there; remove"
    ):
        box.find()


@pytest.mark.parametrize("manifest", ["", "[]", '{"version": "1"}', '{"version": "1", "binaries": {"a": 1}}'])
def test_a_broken_manifest_says_what_to_remove(box: Box, manifest: str) -> None:
    home = box.cache / "servers" / "prometheus"
    home.mkdir(parents=True)
    (home / "manifest.json").write_text(manifest)
    with pytest.raises(ServerUnavailable, match="remove the folder"):
        box.find()


def test_then_docker_in_the_machines_own_network(box: Box, tmp_path: Path) -> None:
    found = box.has("docker").find()
    assert found.origin == "docker"
    prefix = found.paths["prometheus"]
    assert prefix[:5] == (str(box.bin / "docker"), "run", "--rm", "--network", "host")
    assert prefix[5:] == ("--user", "7:8", "--entrypoint", "/bin/prometheus", found.image)
    assert found.command("promtool", folders=(tmp_path,))[-3:] == (
        "--volume",
        f"{tmp_path}:{tmp_path}",
        found.image,
    )
    assert [command.split()[1] for command in box.ran] == ["version", "image", "pull"]


def test_folders_mean_nothing_to_a_binary(box: Box, tmp_path: Path) -> None:
    found = box.has("prometheus", "promtool").find()
    assert found.command("prometheus", folders=(tmp_path,)) == found.paths["prometheus"]


@pytest.mark.parametrize(
    ("tools", "environ", "platform", "tried"),
    [
        pytest.param((), {}, "linux", "docker: docker is not on PATH", id="nothing"),
        pytest.param(
            ("docker",), {"ENGINE_DOWN": "1"}, "linux", "Cannot connect to the Docker daemon", id="engine"
        ),
        pytest.param(("docker",), {"PULL_FAILS": "1"}, "linux", "manifest unknown", id="pull"),
        pytest.param(("docker",), {}, "darwin", "--network host needs Linux", id="macos"),
        pytest.param(("apt-get",), {}, "linux", "debian: dpkg is not on PATH", id="no-dpkg"),
        pytest.param(
            ("apt-get", "apt-cache", "dpkg"),
            {"APT_FAILS": "404"},
            "linux",
            "E: Failed to fetch 404",
            id="fetch",
        ),
        pytest.param(("prometheus",), {}, "linux", "PATH: no promtool", id="half"),
    ],
)
def test_none_is_an_error_with_all_that_was_tried_and_the_remedy(
    box: Box, tools: tuple[str, ...], environ: dict[str, str], platform: str, tried: str
) -> None:
    with pytest.raises(ServerUnavailable) as raised:
        box.has(*tools).find(platform=platform, **environ)
    message = str(raised.value)
    assert tried in message
    for remedy in (
        "SHOPWATCH_PROMETHEUS_BIN is not set",
        "apt-get install prometheus",
        "brew install",
        "Docker",
    ):
        assert remedy in message


def test_an_unwritable_cache_is_named(box: Box) -> None:
    box.cache.write_text("a file, not a folder")
    with pytest.raises(ServerUnavailable, match=r"the cache folder .* cannot be written"):
        box.has("apt-get", "apt-cache", "dpkg").find()


def test_an_unknown_server_is_named_beside_those_there_are() -> None:
    with pytest.raises(ServerUnavailable, match=r"'oracle'; there are: prometheus"):
        find("oracle", environ={})


@pytest.mark.parametrize(
    ("names", "code", "said"),
    [
        pytest.param(["prometheus"], 0, "(from PATH)", id="found"),
        pytest.param(["oracle"], 1, "no server is called", id="unknown"),
        pytest.param([], 2, "name one or more of: prometheus", id="none"),
    ],
)
def test_the_module_is_a_command(box: Box, names: list[str], code: int, said: str) -> None:
    box.has("prometheus", "promtool")
    command = [sys.executable, "-m", "shopwatch_engine.servers", *names]
    done = subprocess.run(
        command, env={**os.environ, **box.environ}, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == code
    assert said in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        pytest.param(("/bin/sh", "-c", "echo out; echo err >&2; exit 3"), 3, "err", id="fails"),
        pytest.param(("/no/such/program",), 127, "No such file", id="absent"),
        pytest.param(("/bin/sleep", "30"), 124, "not done after 0.1 s", id="slow"),
        pytest.param(("/bin/true",), 0, "no word", id="silent"),
    ],
)
def test_a_command_always_ends_in_a_code_and_a_word(command: tuple[str, ...], code: int, said: str) -> None:
    done = run_command(command, folder=Path("/"), environ={}, timeout_s=0.1 if code == 124 else 20.0)
    assert done.code == code
    assert said in done.last_line
