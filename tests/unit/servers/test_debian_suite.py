"""A package of a suite that the machine itself does not use."""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path

import pytest

from shopwatch_engine.exceptions import ServerUnavailable
from shopwatch_engine.servers import run_command
from shopwatch_engine.servers.recipes import FromDebianSuite, this_machine
from shopwatch_engine.servers.spec import DebianPackage

APT_GET = """#!/bin/sh
echo "apt-get $*" >> "$LOG"
security=http://mirror/debian-security/
for word in "$@"; do
  case "$word" in
    Dir::Etc::sourcelist=*) sources=${word#*=} ;;
    indextargets) [ -n "$NO_MIRROR" ] || echo "Other http://other/
Debian $security
Debian http://mirror/debian/" ;;
    update) /bin/cp "$sources" "$LOG.sources" ;;
    download) echo archive > tool_2.0_amd64.deb ;;
  esac
done
"""
APT_CACHE = """#!/bin/sh
echo "apt-cache $*" >> "$LOG"
[ -e "$LOG.sources" ] || exit 100
echo "Version: 2.0-1"
"""
DPKG = """#!/bin/sh
/bin/mkdir -p usr/bin && echo "#!/bin/sh" > usr/bin/tool && /bin/chmod 755 usr/bin/tool
"""


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """A machine's environment with only our own apt and dpkg on its PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, text in {"apt-get": APT_GET, "apt-cache": APT_CACHE, "dpkg": DPKG}.items():
        (folder / name).write_text(text)
        (folder / name).chmod(stat.S_IRWXU)
    return {"PATH": str(folder), "SHOPWATCH_CACHE": str(tmp_path / "cache"), "LOG": str(tmp_path / "log")}


@pytest.fixture
def recipe(tmp_path: Path) -> FromDebianSuite:
    keys = tmp_path / "keys.gpg"
    keys.touch()
    source = DebianPackage(package="tool", binaries={"tool": "usr/bin/tool"}, suite="trixie")
    return FromDebianSuite(name="tool", source=source, keys=keys)


def test_the_suite_is_read_from_the_machines_mirror_over_lists_of_its_own(
    recipe: FromDebianSuite, environ: dict[str, str]
) -> None:
    found = recipe.get(replace(this_machine(environ, run_command), is_root=False))
    assert (found.version, found.origin) == ("2.0-1", "debian")
    assert Path(found.command("tool")[0]).is_relative_to(environ["SHOPWATCH_CACHE"])
    assert Path(environ["LOG"] + ".sources").read_text() == (
        f"deb [signed-by={recipe.keys}] http://mirror/debian/ trixie main\n"
    )
    asked = [line for line in Path(environ["LOG"]).read_text().splitlines() if "indextargets" not in line]
    assert all("Dir::State::lists=" in line for line in asked), asked


def test_a_machine_without_a_debian_mirror_is_told(recipe: FromDebianSuite, environ: dict[str, str]) -> None:
    machine = replace(this_machine({**environ, "NO_MIRROR": "1"}, run_command), is_root=False)
    with pytest.raises(ServerUnavailable, match="apt knows no mirror of Debian"):
        recipe.get(machine)


def test_without_debians_keys_nothing_is_downloaded(
    recipe: FromDebianSuite, environ: dict[str, str], tmp_path: Path
) -> None:
    with pytest.raises(ServerUnavailable, match="install debian-archive-keyring"):
        replace(recipe, keys=tmp_path / "none.gpg").get(this_machine(environ, run_command))
    assert "download" not in Path(environ["LOG"]).read_text()
