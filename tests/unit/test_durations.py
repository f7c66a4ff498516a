from __future__ import annotations

import pytest

from shopwatch_engine.durations import format_duration, parse_duration

DAY = 86400.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("0s", 0.0),
        ("15s", 15.0),
        ("500ms", 0.5),
        ("1m", 60.0),
        ("1h30m", 5400.0),
        ("1d", DAY),
        ("1w", 7 * DAY),
        ("1y", 365 * DAY),
        ("1y2w3d4h5m6s7ms", 365 * DAY + 14 * DAY + 3 * DAY + 4 * 3600 + 5 * 60 + 6.007),
        ("292y", 292 * 365 * DAY),
    ],
)
def test_reads(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "5",
        "1.5h",
        "5 m",
        "-5m",
        "+5m",
        "1m1h",
        "1h1h",
        "1S",
        "1h 30m",
        "m",
        "5min",
        "१s",
        "0x5s",
        "9" * 99 + "s",
    ],
)
def test_refuses(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration: expected numbers with units"):
        parse_duration(text)


def test_refuses_more_than_prometheus_can_hold() -> None:
    with pytest.raises(ValueError, match="'300y' is too long a duration: expected at most 292y"):
        parse_duration("300y")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0s"),
        (0.5, "500ms"),
        (90.0, "1m30s"),
        (3600.0, "1h"),
        (DAY, "1d"),
        (7 * DAY, "1w"),
        (8 * DAY, "8d"),
        (14 * DAY, "2w"),
        (365 * DAY, "1y"),
        (366 * DAY, "366d"),
        (61.0014, "1m1s1ms"),
    ],
)
def test_writes(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@pytest.mark.parametrize("seconds", [-1.0, float("nan"), float("inf")])
def test_does_not_write_what_is_no_length_of_time(seconds: float) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        format_duration(seconds)
