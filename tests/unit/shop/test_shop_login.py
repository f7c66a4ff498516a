from __future__ import annotations

import time
from collections.abc import Iterator

import httpx
import jwt
import pytest
from fastapi import HTTPException
from fastapi.security import HTTPAuthorizationCredentials

from shop import auth, passwords, tokens
from shop.settings import Settings
from shopwatch import catalogue
from shopwatch.testing import Watched, watch

SECRET = "made-up-secret-of-more-than-32-characters"
PASSWORD = "correct horse battery"
NOW = time.time()


@pytest.fixture
def watched() -> Iterator[Watched[object]]:
    service = auth.build(Settings(token_secret=SECRET, password_cost=10))
    with watch(service.app, service="auth", readiness=service.readiness) as made:
        yield made


@pytest.fixture
async def client(watched: Watched[object]) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(watched.app)  # type: ignore[arg-type]
    made = httpx.AsyncClient(transport=transport, base_url="http://auth")
    answer = await made.post("/customers", json={"username": "ada", "password": PASSWORD})
    assert answer.status_code == 201
    return made


def bearer(token: str) -> HTTPAuthorizationCredentials:
    return HTTPAuthorizationCredentials(scheme="Bearer", credentials=token)


def test_a_password_matches_its_own_hash_alone() -> None:
    kept = passwords.hashed(PASSWORD, cost=10)
    assert passwords.matches(PASSWORD, kept)
    assert not passwords.matches(PASSWORD + "x", kept)
    assert PASSWORD not in kept


def test_the_same_password_is_kept_differently_each_time() -> None:
    assert passwords.hashed(PASSWORD, cost=10) != passwords.hashed(PASSWORD, cost=10)


def test_a_token_says_who_the_customer_is() -> None:
    assert tokens.customer_of(bearer(tokens.issue("ada", SECRET, now=NOW)), SECRET) == "ada"


@pytest.mark.parametrize(
    "token",
    [
        pytest.param("", id="empty"),
        pytest.param("a.b.c", id="no token"),
        pytest.param(tokens.issue("ada", SECRET, now=NOW - 1_000), id="too old"),
        pytest.param(tokens.issue("ada", SECRET[::-1], now=NOW), id="another secret"),
        pytest.param(
            jwt.encode({"sub": "ada", "iss": "shop-auth", "exp": NOW}, "", algorithm="none"), id="unsigned"
        ),
        pytest.param(jwt.encode({"sub": "ada", "exp": NOW}, SECRET), id="another issuer"),
        pytest.param(jwt.encode({"sub": "ada", "iss": "shop-auth"}, SECRET), id="without an end"),
    ],
)
def test_a_wrong_token_is_refused(token: str) -> None:
    with pytest.raises(HTTPException) as caught:
        tokens.customer_of(bearer(token), SECRET)
    assert caught.value.status_code == 401


async def test_the_right_password_gives_a_token(client: httpx.AsyncClient, watched: Watched[object]) -> None:
    answer = await client.post("/token", data={"username": "ada", "password": PASSWORD})
    assert answer.status_code == 200
    assert tokens.customer_of(bearer(answer.json()["access_token"]), SECRET) == "ada"
    assert answer.json()["token_type"] == "bearer"
    assert watched.value(catalogue.LOGIN_ATTEMPTS, shopwatch_outcome="success") == 1


@pytest.mark.parametrize(
    ("username", "password"),
    [("ada", "wrong password 123"), ("nobody", PASSWORD)],
    ids=["wrong password", "unknown name"],
)
async def test_a_refused_login_is_counted_and_logged_without_names(
    client: httpx.AsyncClient, watched: Watched[object], username: str, password: str
) -> None:
    answer = await client.post("/token", data={"username": username, "password": password})
    assert answer.status_code == 401
    assert answer.json() == {"detail": "unknown user name or wrong password"}
    assert watched.value(catalogue.LOGIN_ATTEMPTS, shopwatch_outcome="failure") == 1
    [line] = watched.logs("shop.auth")
    assert line.log_record.severity_text == "WARN"
    assert line.log_record.trace_id
    everything = str([(found.log_record.body, found.log_record.attributes) for found in watched.logs()])
    assert username not in everything
    assert password not in everything


async def test_a_name_is_taken_once(client: httpx.AsyncClient) -> None:
    answer = await client.post("/customers", json={"username": "ada", "password": "another password"})
    assert answer.status_code == 409


async def test_without_faults_there_is_nothing_to_switch(client: httpx.AsyncClient) -> None:
    assert (await client.get("/faults")).status_code == 404
