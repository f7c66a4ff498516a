from __future__ import annotations

import time

import pytest

from shopwatch.redaction import DEFAULT, MASK, redactor

SECRETS = [
    pytest.param("card 4111 1111 1111 1111 ok", "4111 1111 1111 1111", id="card-spaced"),
    pytest.param("paid with 5555555555554444.", "5555555555554444", id="card"),
    pytest.param("password=hunter2 user=bob", "hunter2", id="key-value"),
    pytest.param('{"password": "hun\\"ter2", "x": 1}', 'hun\\"ter2', id="json"),
    pytest.param("GET /a?token=abcdef&x=1", "abcdef", id="query-string"),
    pytest.param("Authorization: Bearer abcdefghijkl", "abcdefghijkl", id="header"),
    pytest.param("sent bearer abcdefghijkl on", "abcdefghijkl", id="bearer"),
    pytest.param("mail bob@example.com now", "bob@example.com", id="e-mail"),
    pytest.param("postgres://shop:s3cret@db/x", "s3cret", id="url"),
    pytest.param("got eyJhbGciOiJI.eyJzdWIiOiIx.abc", "eyJzdWIiOiIx", id="jwt"),
    pytest.param("with AKIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7EXAMPLE", id="aws"),
    pytest.param("-----BEGIN PRIVATE KEY-----\nMIIabc\n-----END PRIVATE KEY-----", "MIIabc", id="key"),
    pytest.param("api_key: 'abc-def'", "abc-def", id="quoted"),
]
CLEAN = [
    "order 1234567890123456 placed",
    "total 12.50 EUR at 2026-11-24T13:20:24Z",
    "trace 0af7651916cd43dd8448eb211c80319c took 0.123456789012345 s",
    "id 7f1b9d2c-0af7-4519-86cd-43dd8448eb21",
    "token_count=5, 3 passwords changed",
    "at 1764000000000000000 ns",
    "/orders/4111111111111112",
]


@pytest.mark.parametrize(("text", "secret"), SECRETS)
def test_a_secret_is_masked_once(text: str, secret: str) -> None:
    masked = DEFAULT.text(text)
    assert secret not in masked
    assert MASK in masked
    assert DEFAULT.text(masked) == masked


@pytest.mark.parametrize("text", CLEAN)
def test_what_is_no_secret_stays(text: str) -> None:
    assert DEFAULT.text(text) == text


def test_fields_are_masked_by_name_and_by_content_however_deep() -> None:
    fields = {
        "order.id": 7,
        "http.request.header.authorization": "x",
        "customer": {"Password": "x", "note": ["mail bob@example.com", {"api-key": 1}]},
        "has_password": True,
    }
    assert DEFAULT.fields(fields) == {
        "order.id": 7,
        "http.request.header.authorization": MASK,
        "customer": {"Password": MASK, "note": [f"mail {MASK}", {"api-key": MASK}]},
        "has_password": True,
    }


def test_a_team_adds_rules_and_a_broken_one_is_named() -> None:
    made, problems = redactor(["CUST-[0-9]+", "("], ["Loyalty"])
    assert made.text("for CUST-123") == f"for {MASK}"
    assert made.fields({"loyalty": "x"}) == {"loyalty": MASK}
    [problem] = problems
    assert "SHOPWATCH_REDACT='('" in problem


@pytest.mark.parametrize(
    "piece",
    ["1 ", "a@", "password", "eyJ", "://", "password=", "-----BEGIN ", "a.", "4", "bearer ", "x_"],
)
def test_the_time_grows_with_the_text_only(piece: str) -> None:
    def taken(size: int) -> float:
        text = f"= : @ _ eyJ earer {piece * (size // len(piece))}"
        started = time.process_time()
        DEFAULT.text(text)
        return time.process_time() - started

    small = min(taken(20_000) for _ in range(3))
    assert taken(200_000) < 60 * small + 0.05  # ten times the text; a square would be a hundred times
