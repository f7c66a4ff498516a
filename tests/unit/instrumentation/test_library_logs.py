from __future__ import annotations

import io
import json
import logging
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from shopwatch.guard import Guard
from shopwatch.log_repeats import Repeats
from shopwatch.logs import LogPipe


class Sink:
    """A logger whose lines can be looked at."""

    def __init__(self, repeats: Repeats | None = None) -> None:
        self.stream = io.StringIO()
        self.faults: list[None] = []
        guard = Guard(lambda: self.faults.append(None))
        self.pipe = LogPipe(
            resource={"service.name": "orders"}, outlet=None, stream=self.stream, guard=guard, repeats=repeats
        )
        self.logger = logging.Logger("test.logs", logging.DEBUG)  # noqa: LOG001 - of the test alone
        self.logger.addHandler(self.pipe)

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]


@pytest.fixture
def sink() -> Sink:
    return Sink()


def failed(error: BaseException, cause: BaseException | None = None) -> None:
    raise error from cause


def test_an_error_tells_its_whole_chain_of_causes(sink: Sink) -> None:
    try:
        failed(ValueError("the basket is empty"), KeyError("card 4111 1111 1111 1111"))
    except ValueError:
        sink.logger.exception("order failed")
    [line] = sink.lines
    said = line["attributes"]
    assert said["exception.type"] == "ValueError"
    assert said["exception.message"] == "the basket is empty"
    assert said["shopwatch.exception.causes"] == ["KeyError: 'card [redacted]'"]
    assert "4111" not in sink.stream.getvalue()


def test_a_group_tells_its_members(sink: Sink) -> None:
    try:
        failed(ExceptionGroup("two of three", [ValueError("a"), KeyError("b")]))
    except ExceptionGroup:
        sink.logger.exception("order failed")
    assert sink.lines[0]["attributes"]["shopwatch.exception.causes"] == ["ValueError: a", "KeyError: 'b'"]


def test_secrets_in_text_arguments_and_fields_are_masked(sink: Sink) -> None:
    sink.logger.info(
        "login of %s with password=%s", "bob@example.com", "hunter2", extra={"api_key": "abc", "n": 1}
    )
    [line] = sink.lines
    assert line["body"]["text"] == "login of [redacted] with password=[redacted]"
    assert line["attributes"]["api_key"] == "[redacted]"
    assert line["attributes"]["n"] == 1


def test_whatever_is_logged_the_line_is_json(sink: Sink) -> None:
    loop: dict[str, Any] = {}
    loop["self"] = loop
    odd = {
        "price": Decimal("12.50"),
        "at": datetime(2026, 11, 24, tzinfo=UTC),
        "nan": float("nan"),
        "kinds": {"a"},
        "loop": loop,
        "broken": "\udcff\0\n",
        "bytes": b"\xff",
    }
    sink.logger.info("odd %d", "no number", extra=odd)
    sink.logger.info("x" * 100_000)
    first, second = sink.lines
    assert first["body"]["text"] == "odd %d (its arguments do not fit)"
    assert first["attributes"]["price"] == "12.50"
    assert first["attributes"]["nan"] == "nan"
    assert len(second["body"]["text"]) < 40_000
    assert "characters left out" in second["body"]["text"]
    assert not sink.faults


def test_a_storm_of_one_error_is_held_back_and_told() -> None:
    counted: list[str] = []
    sink = Sink(Repeats(5, counted.append))
    for number in range(100):
        sink.logger.error("database %d is away", number)
        sink.logger.info("order %d placed", number)
    sink.pipe.close()
    texts = [line["body"]["text"] for line in sink.lines]
    assert sum(text.startswith("order") for text in texts) == 100
    assert sum(text.startswith("database") for text in texts) == 5
    assert texts[-1] == "95 more lines like this were held back: database %d is away"
    assert counted == ["ERROR"] * 95


def test_a_stream_that_is_closed_is_a_fault_and_no_more(sink: Sink) -> None:
    sink.stream.close()
    sink.logger.info("nobody reads this")
    assert sink.faults
