"""From the sample in Prometheus to the pager: the engine beside Prometheus' ruler and Alertmanager.

Both watch the same series of one real Prometheus with the same rules, evaluate them every second, wait for
nobody (`group_wait: 0s`) and page the same sandbox. Each fault has a group of its own, so that the groups'
phases on the grid are spread alike in both: half a second of either's median is that grid. Prints the
median and the worst of the delays, and the ratio of the medians.
"""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from acceptance.gauges import Gauges, scraped_gauges
from acceptance.real_engine import RealEngine, SandboxProcess
from real_prometheus import RealPrometheus, free_port, running_prometheus, wait_until
from shopwatch_engine.servers import find

FAULTS = 40


def _rules() -> str:
    groups = [
        {
            "name": f"bench {number}",
            "interval": "1s",
            "rules": [
                {
                    "alert": "Broken",
                    "expr": f'test_broken{{case="c{number}"}} > 0',
                    "labels": {"severity": "critical"},
                    "annotations": {"summary": "engine {{ $labels.case }}"},
                }
            ],
        }
        for number in range(FAULTS)
    ]
    return yaml.safe_dump({"groups": groups})


def main() -> None:
    """Run both side by side and print the table."""
    with ExitStack() as running:
        folder = Path(running.enter_context(tempfile.TemporaryDirectory()))
        gauges, address = running.enter_context(scraped_gauges())
        sandbox = SandboxProcess(folder=folder)
        sandbox.start()
        running.callback(sandbox.stop)
        alertmanager = running.enter_context(_alertmanager(folder, sandbox))
        prometheus = running.enter_context(_prometheus(folder, address, alertmanager))
        engine = RealEngine(
            folder=folder, prometheus=prometheus.url, sandbox=sandbox.url, rules=_rules(), group_by="case"
        )
        engine.write_definitions()
        engine.start()
        running.callback(engine.stop)
        _print(_delays(gauges, prometheus, sandbox))


def _delays(gauges: Gauges, prometheus: RealPrometheus, sandbox: SandboxProcess) -> dict[str, list[float]]:
    """From the scrape that saw the faults to each page, in seconds, by who paged."""
    for number in range(FAULTS):
        gauges.set(f"c{number}", 1)
    scraped_at = float(prometheus.wait_for("min(timestamp(test_broken))")[0]["value"][1])
    delays = {}
    for name, title in {"engine": "engine c", "ruler + Alertmanager": "peer c"}.items():
        wait_until(
            lambda title=title: len(_opened(sandbox, title)) == FAULTS, within_s=60, what=f"pages: {title}"
        )
        delays[name] = [opened_at - scraped_at for opened_at in _opened(sandbox, title)]
    return delays


def _opened(sandbox: SandboxProcess, title: str) -> list[float]:
    return [float(one["opened_at"]) for one in sandbox.incidents(title) if one["pager"] == "pagerduty"]


@contextmanager
def _prometheus(folder: Path, address: str, alertmanager: str) -> Iterator[RealPrometheus]:
    place = folder / "prometheus"
    place.mkdir()
    scrape = [{"job_name": "bench", "static_configs": [{"targets": [address]}]}]
    peers = [{"static_configs": [{"targets": [alertmanager]}]}]
    binaries = find("prometheus", environ=os.environ)
    with running_prometheus(
        binaries, place, scrape=scrape, rules=_rules(), interval="1s", alertmanagers=peers
    ) as prometheus:
        yield prometheus


@contextmanager
def _alertmanager(folder: Path, sandbox: SandboxProcess) -> Iterator[str]:
    pagerduty = {
        "routing_key": "k" * 32,
        "url": f"{sandbox.url}/v2/enqueue",
        "description": "peer {{ .CommonLabels.case }}",
        "severity": "critical",
    }
    route = {"receiver": "on-call", "group_by": ["case"], "group_wait": "0s", "group_interval": "1s"}
    config = {"route": route, "receivers": [{"name": "on-call", "pagerduty_configs": [pagerduty]}]}
    path = folder / "alertmanager.yml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    address = f"127.0.0.1:{free_port()}"
    command = [
        *find("alertmanager", environ=os.environ).command("alertmanager", folders=(folder,)),
        f"--config.file={path}",
        f"--storage.path={folder / 'alertmanager'}",
        f"--web.listen-address={address}",
        "--cluster.listen-address=",
    ]
    with (folder / "alertmanager.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        wait_until(lambda: _is_there(process, folder, address), within_s=20, what="Alertmanager ready")
        yield address
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(15)


def _is_there(process: subprocess.Popen[bytes], folder: Path, address: str) -> bool:
    if process.poll() is not None:
        log = (folder / "alertmanager.log").read_text(encoding="utf-8")
        # Debian's build reads its default template from /usr/share, where only an installed package has it.
        sys.exit(f"Alertmanager ended:\n{log}\nInstall it: sudo apt-get install prometheus-alertmanager")
    try:
        with urllib.request.urlopen(f"http://{address}/-/ready", timeout=1) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _print(delays: dict[str, list[float]]) -> None:
    print(f"From the sample to the request at the pager, {FAULTS} faults at once, evaluation every second")
    print(f"{'':24}{'median s':>10}{'worst s':>10}")
    medians = {name: statistics.median(each) for name, each in delays.items()}
    for name, each in delays.items():
        print(f"{name:24}{medians[name]:>10.2f}{max(each):>10.2f}")
    print(f"{'ratio':24}{medians['ruler + Alertmanager'] / medians['engine']:>9.1f}x")


if __name__ == "__main__":
    main()
