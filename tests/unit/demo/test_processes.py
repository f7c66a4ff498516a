from __future__ import annotations

import asyncio
import os
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from shopwatch_engine.demo.addresses import free_ports
from shopwatch_engine.demo.processes import Command, Crew, ProcessEnded
from shopwatch_engine.exceptions import EngineError

WITHIN_S = 20.0
STAYS = "import time; print('here', flush=True); time.sleep(600)"
IGNORES_SIGTERM = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {STAYS}"


def command(folder: Path, code: str, *, name: str = "one", ends: int = 1) -> Command:
    return Command(
        name=name, argv=(sys.executable, "-c", code), environ=dict(os.environ), folder=folder, ends=ends
    )


@pytest.fixture
async def crew(tmp_path: Path) -> AsyncIterator[Crew]:
    crew = Crew(tmp_path)
    yield crew
    await crew.close()


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that nobody has buried yet does not."""
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    except FileNotFoundError:
        return False


async def wait_for(condition: Callable[[], object], what: str) -> None:
    until = time.monotonic() + WITHIN_S
    while not condition():
        assert time.monotonic() < until, f"not within {WITHIN_S:g} s: {what}"
        await asyncio.sleep(0.02)


async def test_a_process_writes_its_log_and_ends_with_the_crew(crew: Crew, tmp_path: Path) -> None:
    running = crew.start(command(tmp_path, STAYS))
    await wait_for(lambda: "here" in running.log.read_text(), "its line in the log")
    crew.check()
    await crew.close()
    assert not is_alive(running.pid)
    assert crew.pids == ()


async def test_a_process_that_ignores_sigterm_is_killed_when_the_demo_is_told_to_hurry(
    crew: Crew, tmp_path: Path
) -> None:
    running = crew.start(command(tmp_path, IGNORES_SIGTERM))
    await wait_for(lambda: "here" in running.log.read_text(), "its line in the log")
    closing = asyncio.create_task(crew.close())
    await asyncio.sleep(0)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    assert not is_alive(running.pid)


async def test_those_of_a_lower_rank_end_first(crew: Crew, tmp_path: Path) -> None:
    says = "import signal, sys, time\ndef end(*_):\n    print(time.monotonic(), flush=True); sys.exit()\n"
    says += f"signal.signal(signal.SIGTERM, end)\n{STAYS}"
    last = crew.start(command(tmp_path, says, name="last", ends=2))
    first = crew.start(command(tmp_path, says, name="first", ends=0))
    for one in (last, first):
        await wait_for(lambda log=one.log: "here" in log.read_text(), "its line in the log")
    await crew.close()
    ended_at = [float(one.log.read_text().split()[-1]) for one in (first, last)]
    assert ended_at == sorted(ended_at)


async def test_a_process_that_ended_is_named_with_the_end_of_its_log(crew: Crew, tmp_path: Path) -> None:
    running = crew.start(command(tmp_path, "import sys; sys.exit('the disk is full')"))
    await wait_for(lambda: not is_alive(running.pid), "its end")
    with pytest.raises(
        ProcessEnded, match=r"(?s)one ended with 1; its log \(.*one\.log\).*the disk is full"
    ) as error:
        crew.check()
    assert not error.value.address_taken


async def test_a_port_that_was_taken_is_told_from_other_ends(crew: Crew, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        running = crew.start(command(tmp_path, f"import socket; socket.create_server(('127.0.0.1', {port}))"))
        await wait_for(lambda: not is_alive(running.pid), "its end")
        with pytest.raises(ProcessEnded) as error:
            crew.check()
    assert error.value.address_taken


async def test_one_that_was_meant_to_end_is_forgotten_and_can_start_again(crew: Crew, tmp_path: Path) -> None:
    first = crew.start(command(tmp_path, STAYS))
    first.kill()
    crew.forget("one")
    crew.check()
    assert crew.start(command(tmp_path, STAYS)).pid != first.pid


def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    missing = Command(name="x", argv=("no-such-program",), environ={"PATH": "/nowhere"}, folder=tmp_path)
    with pytest.raises(EngineError, match=r"cannot start x \(no-such-program\): No such file"):
        Crew(tmp_path).start(missing)


PARENT = """
import os, sys, time
from pathlib import Path
from shopwatch_engine.demo.processes import Command, Crew
folder = Path(sys.argv[1])
code = "import time; time.sleep(600)"
one = Crew(folder).start(Command(
    name="child", argv=(sys.executable, "-c", code), environ=dict(os.environ), folder=folder))
print(one.pid, flush=True)
time.sleep(600)
"""


async def test_children_end_when_the_demo_is_killed_outright(tmp_path: Path) -> None:
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PARENT, str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    try:
        assert parent.stdout is not None
        child = int(await parent.stdout.readline())
        assert is_alive(child)
    finally:
        parent.kill()
        await parent.communicate()
    await wait_for(lambda: not is_alive(child), "the end of the child")


def test_free_ports_are_free_and_all_different() -> None:
    ports = free_ports(["a", "b", "c"])
    assert sorted(ports) == ["a", "b", "c"]
    assert len(set(ports.values())) == 3
    for port in ports.values():
        socket.create_server(("127.0.0.1", port)).close()
