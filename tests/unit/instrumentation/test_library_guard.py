from __future__ import annotations

import logging
from typing import Any

import pytest

from shopwatch.guard import Guard


def test_a_fault_is_counted_each_time_and_logged_once(caplog: Any) -> None:
    counted = []
    guard = Guard(lambda: counted.append(1))
    for _ in range(3):
        with guard.over("counting sheep"):
            raise ValueError("no sheep")
    with guard.over("counting sheep"):
        raise KeyError("another kind")
    assert len(counted) == 4
    lines = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert len(lines) == 2
    assert "counting sheep" in lines[0]


def test_what_ends_the_process_passes() -> None:
    with pytest.raises(KeyboardInterrupt), Guard().over("anything"):
        raise KeyboardInterrupt
