from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shopwatch_engine.durations import format_duration, parse_duration


@given(st.integers(min_value=0, max_value=292 * 365 * 86_400_000))
def test_written_and_read_again(milliseconds: int) -> None:
    assert round(parse_duration(format_duration(milliseconds / 1000)) * 1000) == milliseconds


@given(st.text(max_size=12) | st.from_regex(r"\A([0-9]{1,3}(ms|[smhdwy])){1,4}\Z"))
def test_reads_or_refuses(text: str) -> None:
    try:
        seconds = parse_duration(text)
    except ValueError as error:
        assert "duration" in str(error)  # noqa: PT017 - either way is right
    else:
        assert parse_duration(format_duration(seconds)) == seconds
