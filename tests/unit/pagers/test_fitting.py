import pytest

from shopwatch_engine.pagers.fitting import (
    ELLIPSIS,
    cleaned,
    fitted_key,
    one_line,
    shortened,
    web_address,
    width,
)


@pytest.mark.parametrize(
    ("text", "limit", "expected"),
    [
        ("abc", 3, "abc"),
        ("abcd", 3, f"ab{ELLIPSIS}"),
        ("", 1, ""),
        ("ab", 1, ELLIPSIS),
        ("\U0001f525\U0001f525", 4, "\U0001f525\U0001f525"),
        ("\U0001f525\U0001f525\U0001f525", 4, f"\U0001f525{ELLIPSIS}"),
        ("a\x00b", 9, "a\ufffdb"),
        ("a\ud800b", 9, "a\ufffdb"),
        ("a\r\nb\tc", 9, "a\nb\tc"),
    ],
    ids=["fits", "cut", "empty", "tiny", "pairs-fit", "no-half-pair", "nul", "lone-surrogate", "line-ends"],
)
def test_shortened(text: str, limit: int, expected: str) -> None:
    assert shortened(text, limit) == expected
    assert width(shortened(text, limit)) <= limit


def test_one_line_joins_lines() -> None:
    assert one_line(" a\n\n b\tc ", 10) == "a b c"


def test_cleaned_leaves_text_alone() -> None:
    assert cleaned("naïve 中文 🔥\n") == "naïve 中文 🔥\n"


@pytest.mark.parametrize("key", ["abc", "a/b", "x" * 255, "0f1e2d"])
def test_a_key_that_fits_stays_itself(key: str) -> None:
    assert fitted_key(key, 255) == key


def test_keys_that_must_change_stay_apart() -> None:
    awkward = ["x" * 256, "x" * 257, "", ".", "..", "a\x00", "a\x01", "a\ud800", "\U0001f525" * 128]
    fitted = [fitted_key(key, 255) for key in awkward]
    assert len(set(fitted)) == len(awkward)
    assert all(0 < width(key) <= 255 and cleaned(key) == key for key in fitted)
    assert fitted == [fitted_key(key, 255) for key in awkward]


@pytest.mark.parametrize(
    ("href", "kept"),
    [
        ("https://a.example/x?y=1", True),
        (" http://127.0.0.1:3000/d/1 ", True),
        ("javascript:alert(1)", False),
        ("ftp://a.example", False),
        ("//a.example", False),
        ("https://", False),
        ("http://[::1", False),
        ("https://a.example/\x00", False),
        ("https://a.example/" + "x" * 3000, False),
        ("", False),
    ],
)
def test_only_addresses_of_web_pages_are_links(href: str, *, kept: bool) -> None:
    assert web_address(href) == (href.strip() if kept else "")
