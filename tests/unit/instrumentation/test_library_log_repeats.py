from __future__ import annotations

import logging

from shopwatch.log_repeats import WINDOW_S, Repeats

KIND = ("shop", logging.ERROR, "database is away", None)
OTHER = ("shop", logging.ERROR, "database is away", ValueError)


def made(most: int = 3) -> tuple[Repeats, list[str]]:
    counted: list[str] = []
    return Repeats(most, counted.append), counted


def test_the_first_pass_and_the_rest_is_counted_and_told_when_the_window_ends() -> None:
    repeats, counted = made()
    passed = [repeats.passes(KIND, "ERROR", float(at))[0] for at in range(10)]
    assert passed == [True] * 3 + [False] * 7
    assert counted == ["ERROR"] * 7
    passes, [held] = repeats.passes(KIND, "ERROR", WINDOW_S)
    assert passes
    assert (held.logger, held.level, held.example, held.count) == (
        "shop",
        logging.ERROR,
        "database is away",
        7,
    )


def test_lines_of_another_kind_have_a_count_of_their_own() -> None:
    repeats, _ = made(1)
    assert repeats.passes(KIND, "ERROR", 0.0) == (True, ())
    assert repeats.passes(OTHER, "ERROR", 0.0) == (True, ())
    assert not repeats.passes(KIND, "ERROR", 1.0)[0]


def test_another_line_tells_of_a_window_that_is_over() -> None:
    repeats, _ = made(1)
    repeats.passes(KIND, "ERROR", 0.0)
    repeats.passes(KIND, "ERROR", 1.0)
    _, [held] = repeats.passes(OTHER, "ERROR", WINDOW_S + 1)
    assert held.count == 1


def test_closing_tells_what_was_not_told_yet_once() -> None:
    repeats, _ = made(1)
    for at in range(5):
        repeats.passes(KIND, "ERROR", float(at))
    [held] = repeats.close()
    assert held.count == 4
    assert repeats.close() == ()


def test_the_kinds_that_are_told_apart_are_bounded() -> None:
    repeats, _ = made(1)
    repeats.passes(KIND, "ERROR", 0.0)
    repeats.passes(KIND, "ERROR", 0.0)
    told = [held for n in range(2_000) for held in repeats.passes(("shop", 30, str(n), None), "WARN", 1.0)[1]]
    assert [held.count for held in told] == [1]
    assert repeats.passes(KIND, "ERROR", 2.0)[0]
