"""``python -m shopwatch_engine.simulation --seed 7 --worlds 100``: live through worlds, say what broke."""

from __future__ import annotations

import sys
import time
from typing import Annotated

import typer
from rich.console import Console

from shopwatch_engine.simulation.run import simulate


def main(
    seed: Annotated[int, typer.Option(help="The first world's seed.")] = 0,
    worlds: Annotated[int, typer.Option(help="How many worlds, each with the next seed.")] = 20,
    hours: Annotated[float, typer.Option(help="Simulated hours that each world lasts.")] = 1.0,
) -> None:
    """Simulate worlds in which everything fails, and hold the engine to its promises."""
    console = Console(highlight=False, soft_wrap=True)
    begun = time.perf_counter()
    broken = 0
    for one in range(seed, seed + worlds):
        outcome = simulate(one, length_s=hours * 3600)
        broken += bool(outcome.violations)
        console.print(
            f"seed {one}: {outcome.opened} opened, {outcome.resolved} resolved, {outcome.crashes} crashes, "
            f"{outcome.faults} faults, {len(outcome.violations)} promises broken"
        )
        for violation in outcome.violations:
            console.print(f"  {violation}")
    console.print(f"{worlds} worlds of {hours:g} h in {time.perf_counter() - begun:.1f} s, {broken} broken")
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    typer.run(main)
