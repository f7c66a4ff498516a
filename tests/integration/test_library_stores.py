"""The hooks of databases and caches, each on the real library and the real server."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import asyncpg
import psycopg
import psycopg_pool
import pymemcache
import pytest
import redis
import redis.asyncio
import redis.backoff
import redis.retry
from opentelemetry.trace import SpanKind
from sqlalchemy import create_engine, text
from sqlalchemy.ext.asyncio import create_async_engine

from library_server import eventually
from real_prometheus import free_port
from shopwatch import catalogue
from shopwatch.testing import Watched, watch

DURATION = catalogue.DB_CLIENT_DURATION
CACHE = catalogue.CACHE_REQUESTS
POOL = catalogue.POOL_CONNECTIONS


async def _idle(scope: Any, receive: Any, send: Any) -> None:
    """An application that nobody asks."""


@pytest.fixture
def watched() -> Iterator[Watched[Any]]:
    with watch(_idle, hooks=("redis", "pymemcache", "psycopg", "asyncpg", "sqlalchemy")) as found:
        yield found
        assert found.value(catalogue.TELEMETRY_ERRORS) == 0


def client_spans(watched: Watched[Any]) -> list[str]:
    return [span.name for span in watched.spans() if span.kind is SpanKind.CLIENT]


# ---------------------------------------------------------------- Redis
REDIS = {"db_system_name": "redis"}
HITS = {"shopwatch_cache_name": "redis", "shopwatch_cache_result": "hit"}
MISSES = {"shopwatch_cache_name": "redis", "shopwatch_cache_result": "miss"}


def test_commands_of_redis_are_timed_and_look_ups_are_hits_or_misses(
    watched: Watched[Any], redis_port: int
) -> None:
    client = redis.Redis(port=redis_port)
    client.delete("mug", "cup")
    client.set("mug", "1")
    assert client.get("mug") == b"1"
    assert client.get("cup") is None
    assert client.mget("mug", "cup", "pot") == [b"1", None, None]
    with client.pipeline() as pipeline:
        pipeline.get("mug")
        pipeline.get("cup")
        pipeline.execute()
    with pytest.raises(redis.ResponseError):
        client.execute_command("NO SUCH COMMAND 4111111111111111")
    client.close()
    for command, number in {"SET": 1, "GET": 2, "MGET": 1, "PIPELINE": 1, "DEL": 1}.items():
        assert watched.value(DURATION, db_operation_name=command, error_type="", **REDIS) == number
    assert watched.value(DURATION, db_operation_name="NO", error_type="redis.exceptions.ResponseError") == 1
    assert watched.value(CACHE, **HITS) == 2
    assert watched.value(CACHE, **MISSES) == 3
    assert "GET" in client_spans(watched)


def test_a_pool_of_redis_tells_its_use_and_who_waited_in_vain(watched: Watched[Any], redis_port: int) -> None:
    pool = redis.BlockingConnectionPool(port=redis_port, max_connections=1, timeout=0.01)
    name = {"db_client_connection_pool_name": f"localhost:{redis_port}/0"}
    connection = pool.get_connection()
    assert watched.value(POOL, db_client_connection_state="used", **name) == 1
    with pytest.raises(redis.ConnectionError):
        pool.get_connection()
    pool.release(connection)
    assert watched.value(POOL, db_client_connection_state="used", **name) == 0
    assert watched.value(catalogue.POOL_TIMEOUTS, **name) == 1
    assert watched.value(catalogue.POOL_WAIT, **name) == 1
    pool.disconnect()


def test_redis_under_asyncio_is_watched_alike(watched: Watched[Any], redis_port: int) -> None:
    async def use() -> None:
        async with redis.asyncio.Redis(port=redis_port) as client:
            await client.set("mug", "1")
            assert await client.get("mug") == b"1"
            assert await client.hget("nothing", "field") is None

    asyncio.run(use())
    assert watched.value(DURATION, db_operation_name="GET", **REDIS) == 1
    assert watched.value(CACHE, **HITS) == 1
    assert watched.value(CACHE, **MISSES) == 1
    assert watched.value(catalogue.POOL_WAIT) == 3


def test_retries_of_redis_are_counted(watched: Watched[Any]) -> None:
    retry = redis.retry.Retry(redis.backoff.NoBackoff(), 2)
    client = redis.Redis(port=free_port(), retry=retry)
    with pytest.raises(redis.ConnectionError):
        client.get("mug")
    assert watched.value(catalogue.CLIENT_RETRIES, service_peer_name="redis") >= 2
    assert watched.value(DURATION, error_type="redis.exceptions.ConnectionError") == 1


# ---------------------------------------------------------------- memcached
def test_commands_of_memcached_are_timed_and_look_ups_are_hits_or_misses(
    watched: Watched[Any], memcached_port: int
) -> None:
    client = pymemcache.PooledClient(("127.0.0.1", memcached_port))
    client.set("mug", b"1", noreply=False)
    assert client.get("mug") == b"1"
    assert client.get("cup") is None
    assert client.gets("cup") == (None, None)
    assert client.get_many(["mug", "cup", "pot"]) == {"mug": b"1"}
    client.close()
    for command, number in {"SET": 1, "GET": 2, "GETS": 1, "GET_MANY": 1}.items():
        labels = {"db_system_name": "memcached", "db_operation_name": command, "error_type": ""}
        assert watched.value(DURATION, **labels) == number
    results = {"shopwatch_cache_name": "memcached"}
    assert watched.value(CACHE, shopwatch_cache_result="hit", **results) == 2
    assert watched.value(CACHE, shopwatch_cache_result="miss", **results) == 4
    assert client_spans(watched)


# ---------------------------------------------------------------- Postgres
POSTGRES = {"db_system_name": "postgresql"}


def test_statements_of_psycopg_are_timed(watched: Watched[Any], postgres_url: str) -> None:
    with psycopg.connect(postgres_url) as connection:
        assert connection.execute("SELECT 'ann@example.com'").fetchone() == ("ann@example.com",)
        with pytest.raises(psycopg.errors.UndefinedTable):
            connection.execute("DELETE FROM nothing")

    async def use() -> None:
        async with await psycopg.AsyncConnection.connect(postgres_url) as connection:
            await connection.execute("SELECT 1")

    asyncio.run(use())
    assert watched.value(DURATION, db_operation_name="SELECT", error_type="", **POSTGRES) == 2
    assert watched.value(DURATION, db_operation_name="DELETE", **POSTGRES) == 1
    (error,) = {one["error_type"] for one in watched.labels(DURATION)} - {""}
    assert error == "psycopg.errors.UndefinedTable"
    assert client_spans(watched)
    assert "ann@example.com" not in str([dict(span.attributes or {}) for span in watched.spans()])


def test_a_pool_of_psycopg_tells_its_use_and_who_waited_in_vain(
    watched: Watched[Any], postgres_url: str
) -> None:
    name = {"db_client_connection_pool_name": "orders"}
    with psycopg_pool.ConnectionPool(postgres_url, min_size=1, max_size=1, name="orders", open=True) as pool:
        with pool.connection() as connection:
            connection.execute("SELECT 1")
            assert watched.value(POOL, db_client_connection_state="used", **name) == 1
            with pytest.raises(psycopg_pool.PoolTimeout):
                pool.getconn(timeout=0.01)
        assert eventually(lambda: watched.value(POOL, db_client_connection_state="used", **name) == 0)
    assert watched.value(catalogue.POOL_MAX, **name) == 1
    assert watched.value(catalogue.POOL_TIMEOUTS, **name) == 1
    assert watched.value(catalogue.POOL_WAIT, **name) == 1


def test_statements_and_pools_of_asyncpg_are_told(watched: Watched[Any], postgres_url: str) -> None:
    async def use() -> None:
        async with asyncpg.create_pool(postgres_url, min_size=1, max_size=2) as pool:
            async with pool.acquire() as connection:
                assert await connection.fetchval("SELECT 1") == 1
                assert watched.value(POOL, db_client_connection_state="used") == 1
                with pytest.raises(asyncpg.UndefinedTableError):
                    await connection.execute("DELETE FROM nothing")
            assert watched.value(POOL, db_client_connection_state="used") == 0

    asyncio.run(use())
    assert watched.value(DURATION, db_operation_name="SELECT", error_type="", **POSTGRES) == 1
    assert watched.value(DURATION, db_operation_name="DELETE", **POSTGRES) == 1
    assert watched.value(catalogue.POOL_MAX) == 2
    assert watched.value(catalogue.POOL_WAIT) == 1
    assert client_spans(watched)


@pytest.mark.parametrize("driver", ["psycopg", "asyncpg"])
def test_a_statement_through_sqlalchemy_is_told_once(
    watched: Watched[Any], postgres_url: str, driver: str
) -> None:
    url = postgres_url.replace("postgresql", f"postgresql+{driver}")

    async def use() -> None:
        engine = create_async_engine(url)
        async with engine.begin() as connection:
            await connection.execute(text("CREATE TEMP TABLE carts (id int)"))
        await engine.dispose()

    def use_blocking() -> None:
        engine = create_engine(url)
        with engine.begin() as connection:
            connection.execute(text("CREATE TEMP TABLE carts (id int)"))
        engine.dispose()

    asyncio.run(use()) if driver == "asyncpg" else use_blocking()
    assert watched.value(DURATION, db_operation_name="CREATE", **POSTGRES) == 1
    assert len([name for name in client_spans(watched) if name.startswith("CREATE")]) == 1


def test_threads_share_an_engine_without_losing_a_statement(watched: Watched[Any], postgres_url: str) -> None:
    engine = create_engine(postgres_url.replace("postgresql", "postgresql+psycopg"), pool_size=2)

    engine.connect().close()  # the dialect asks the server some things once
    before = watched.value(DURATION, db_operation_name="SELECT", error_type="", **POSTGRES)

    def ask() -> None:
        for _ in range(20):
            with engine.connect() as connection:
                connection.execute(text("SELECT 1"))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    engine.dispose()
    assert watched.value(DURATION, db_operation_name="SELECT", error_type="", **POSTGRES) == before + 80
