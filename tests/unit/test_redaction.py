from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shopwatch_engine.redaction import is_card_number, names_secret, redacted


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        pytest.param("Authorization: Bearer abc.def-ghi", "Authorization: ***", id="authorization"),
        pytest.param(
            '{"authorization": "Basic dXNlcjpwYXNz"}', '{"authorization": "***"}', id="authorization-json"
        ),
        pytest.param("sent bearer 0123456789abcdef to it", "sent bearer *** to it", id="bearer"),
        pytest.param("password=hunter2 user=7", "password=*** user=7", id="password"),
        pytest.param("DB_PASSWORD='two words' next", "DB_PASSWORD='***' next", id="quoted"),
        pytest.param('{"client_secret": "x", "id": 1}', '{"client_secret": "***", "id": 1}', id="json"),
        pytest.param("GET /pay?api_key=abc&order=7", "GET /pay?api_key=***&order=7", id="query-string"),
        pytest.param("SECRET_KEY=abc ok", "SECRET_KEY=*** ok", id="secret-key"),
        pytest.param("sessionToken: abc; step=2", "sessionToken: ***; step=2", id="camel-case"),
        pytest.param("Set-Cookie: id=a; Path=/", "Set-Cookie: ***", id="cookie"),
        pytest.param("postgres://shop:pw@db:5432/shop", "postgres://***@db:5432/shop", id="address"),
        pytest.param("jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc done", "jwt *** done", id="jwt"),
        pytest.param("key sk_live_0123456789abcdef failed", "key *** failed", id="prefixed"),
        pytest.param("mail to ann.lee+shop@example.co.uk bounced", "mail to ***@*** bounced", id="e-mail"),
        pytest.param("card 4111 1111 1111 1111 declined", "card *** declined", id="card"),
        pytest.param("card 4111111111111111.", "card ***.", id="card-solid"),
        pytest.param("pan=5500-0000-0000-0004,", "pan=***,", id="card-dashes"),
        pytest.param(
            "-----BEGIN RSA PRIVATE KEY-----\nMIIB\n-----END RSA PRIVATE KEY----- end",
            "*** end",
            id="private-key",
        ),
        pytest.param("-----BEGIN PRIVATE KEY-----\nMIIB", "***", id="half-a-private-key"),
    ],
)
def test_secrets_go(text: str, kept: str) -> None:
    assert redacted(text, limit=500) == kept


@pytest.mark.parametrize(
    "text",
    [
        "order 4111111111111112 shipped",  # the check digit is wrong
        "trace 5b8efff798038103d269b633813fc60c",
        "1700000000123 ms since the epoch, 12.5 % of 1,000 tokens",
        "basic authentication is off; the bearer of news",
        "monkey=3 keyboard: yes spin=2 opinion: none",
        "GET /orders/7?page=2 HTTP/1.1 500",
        "Timeout: no answer from payments after 5 s",
    ],
)
def test_ordinary_words_stay(text: str) -> None:
    assert redacted(text, limit=500) == text


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("password", True), ("db.password", True), ("http.request.header.authorization", True),
        ("apiKey", True), ("X-Api-Key", True),
        ("sessionId", True), ("http.route", False), ("monkey", False), ("cvv", True),
        ("tokens_used", False), ("card.pin", True), ("spin", False),
    ],
)  # fmt: skip
def test_names_of_secrets(name: str, secret: bool) -> None:  # noqa: FBT001 - a table's column
    assert names_secret(name) is secret


@pytest.mark.parametrize(
    ("digits", "valid"),
    [("79927398713", True), ("79927398710", False), ("4111111111111111", True), ("0", True)],
)
def test_luhn(digits: str, valid: bool) -> None:  # noqa: FBT001 - a table's column
    assert is_card_number(digits) is valid


@pytest.mark.parametrize("limit", [1, 10, 500])
def test_it_is_never_longer_than_its_limit(limit: int) -> None:
    assert len(redacted("x" * 5_000, limit=limit)) <= limit


def test_a_secret_that_is_cut_in_half_does_not_show() -> None:
    text = "x" * (8_000 - 12) + " 4111 1111 1111 1111 rest"
    assert "4111" not in redacted(text, limit=10_000)


PIECES = [
    "a",
    "a@",
    "1 ",
    "4111 ",
    "password=",
    "token='",
    'token="',
    "eyJ.",
    "-----BEGIN PRIVATE KEY-----",
    "bearer ",
]


@pytest.mark.parametrize("piece", PIECES)
def test_no_text_takes_long(piece: str) -> None:
    began = time.process_time()
    redacted(piece * 100_000, limit=500)
    assert time.process_time() - began < 0.5


@given(before=st.text(max_size=30), secret=st.from_regex(r"[A-Za-z0-9]{12,30}", fullmatch=True))
def test_whatever_stands_before_it_a_password_goes(before: str, secret: str) -> None:
    kept = redacted(f"{before} password={secret} after", limit=500)
    assert secret not in kept.removeprefix(before)
