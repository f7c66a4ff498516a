"""A pass over 1,000 rules: batched, beside one query a rule, on one real Prometheus, in turn.

Prints medians of wall seconds, the engine's CPU seconds and Prometheus' CPU seconds a pass, and the
ratios. The answers of both ways are compared first: they must be the same.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from acceptance.gauges import scraped_gauges
from real_prometheus import RealPrometheus, running_prometheus
from shopwatch_engine.model import AlertRule
from shopwatch_engine.runtime.evaluation import Answer, Evaluator
from shopwatch_engine.servers import find
from shopwatch_engine.sources import PrometheusSource

RULES = 1_000
ROUNDS = 7
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """What one pass cost, in seconds."""

    wall_s: float
    engine_cpu_s: float
    prometheus_cpu_s: float


def main() -> None:
    """Run both ways in turn and print the table."""
    with scraped_gauges() as (gauges, address), tempfile.TemporaryDirectory() as folder:
        for number in range(RULES):
            gauges.set(f"c{number}", float(number % 10 == 0))
        scrape = [{"job_name": "bench", "static_configs": [{"targets": [address]}]}]
        with running_prometheus(
            find("prometheus", environ=os.environ), Path(folder), scrape=scrape, interval="1s"
        ) as prometheus:
            prometheus.wait_for(
                f"count_over_time(test_broken[5s]) > 3 and on() count(test_broken) == {RULES}"
            )
            asyncio.run(_compare(prometheus))


async def _compare(prometheus: RealPrometheus) -> None:
    source = PrometheusSource(prometheus.url)
    ways = {"batched": Evaluator(source), "one by one": Evaluator(source, batch_size=1)}
    at = time.time()
    first, second = [_plain(await way.ask(_rules(), at)) for way in ways.values()]
    if first != second:
        sys.exit("the two ways do not answer the same")
    passes: dict[str, list[Pass]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            passes[name].append(await _one_pass(way, prometheus))
    await source.close()
    _print(passes, sum(bool(answer) for answer in first.values()))


def _rules() -> tuple[AlertRule, ...]:
    return tuple(
        AlertRule(
            id=f"r{number}",
            group="bench",
            name=f"R{number}",
            expr=f'avg_over_time(test_broken{{case="c{number}"}}[5s]) > 0.5',
            lookback_s=5.0,
        )
        for number in range(RULES)
    )


def _plain(answers: Mapping[str, Answer]) -> dict[str, object]:
    return {
        rule_id: answer if isinstance(answer, tuple) else str(answer) for rule_id, answer in answers.items()
    }


async def _one_pass(way: Evaluator, prometheus: RealPrometheus) -> Pass:
    rules = _rules()
    theirs, ours, begun = _cpu_s(prometheus), time.process_time(), time.perf_counter()
    await way.ask(rules, time.time())
    return Pass(
        wall_s=time.perf_counter() - begun,
        engine_cpu_s=time.process_time() - ours,
        prometheus_cpu_s=_cpu_s(prometheus) - theirs,
    )


def _cpu_s(prometheus: RealPrometheus) -> float:
    if prometheus.process is None:
        sys.exit("Prometheus is not running")
    fields = (
        Path(f"/proc/{prometheus.process.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    )
    return (int(fields[11]) + int(fields[12])) / TICKS_A_SECOND


def _print(passes: Mapping[str, list[Pass]], firing: int) -> None:
    print(f"{RULES} alerting rules, {firing} of them firing, median of {ROUNDS} passes each, in turn")
    print(f"{'':12}{'wall s':>10}{'engine CPU s':>15}{'Prometheus CPU s':>18}")
    medians = {}
    for name, each in passes.items():
        columns = [
            [one.wall_s for one in each],
            [one.engine_cpu_s for one in each],
            [one.prometheus_cpu_s for one in each],
        ]
        medians[name] = [statistics.median(column) for column in columns]
        print(f"{name:12}{medians[name][0]:>10.3f}{medians[name][1]:>15.3f}{medians[name][2]:>18.3f}")
    ratios = [
        other / max(ours, 1e-9) for ours, other in zip(medians["batched"], medians["one by one"], strict=True)
    ]
    print(f"{'ratio':12}{ratios[0]:>9.1f}x{ratios[1]:>14.1f}x{ratios[2]:>17.1f}x")


if __name__ == "__main__":
    main()
