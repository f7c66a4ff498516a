import pytest

from shopwatch_engine.model import Secret
from shopwatch_engine.pagers.answer import may_retry, quoted, retry_after_s

NOW = 1_800_000_000.0  # Fri, 15 Jan 2027 08:00:00 GMT


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        (" 7 ", 7.0),
        ("0", 0.0),
        ("Fri, 15 Jan 2027 08:00:30 GMT", 30.0),
        ("Fri, 15 Jan 2027 08:00:30 -0000", 30.0),
        ("Fri, 15 Jan 2027 07:00:00 GMT", 0.0),
        ("86400", 900.0),
        ("", None),
        ("tomorrow", None),
        ("-1", None),
        ("inf", None),
        ("٣", None),
    ],
)
def test_retry_after(header: str, seconds: float | None) -> None:
    assert retry_after_s({"Retry-After": header}, NOW) == seconds


def test_no_header_asks_for_nothing() -> None:
    assert retry_after_s({}, NOW) is None


@pytest.mark.parametrize(
    ("status", "retry"), [(202, False), (100, True), (307, True), (404, False), (599, True)]
)
def test_statuses_that_no_pager_documents(status: int, *, retry: bool) -> None:
    assert may_retry(status) is retry


def test_a_quote_is_short_on_one_line_and_without_the_key() -> None:
    said = quoted("no key s3cret\nhere " + "x" * 999, Secret("s3cret"))
    assert said.startswith("no key *** here xxx")
    assert len(said) == 300
