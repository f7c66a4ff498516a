"""Commits numbered transactions to a store and prints each number once it is committed, until killed.

``python store_writer.py PATH FIRST``
"""

from __future__ import annotations

import asyncio
import itertools
import sys
from pathlib import Path

from alert_values import alert, delivery, incident
from shopwatch_engine.model import Action, Changes, RuleHealth
from shopwatch_engine.store import SqliteStore


def numbered(number: int) -> Changes:
    """A transaction over every table, each row bearing the number."""
    key = f"key-{number}"
    return Changes(
        alerts=(alert(f"Alert{number}"),),
        health=(RuleHealth(rule_id=f"rule-{number}"),),
        incidents=(incident(dedup_key=key, title=str(number)),),
        deliveries=(delivery(key=key), delivery(Action.EVIDENCE, key=key, number=2)),
    )


async def main(path: Path, first: int) -> None:
    store = SqliteStore(path)
    for number in itertools.count(first):
        await store.commit(numbered(number))
        print(number, flush=True)  # noqa: T201 - what the test reads


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
