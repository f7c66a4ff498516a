"""catalogue: the product list and the product pages, read through a cache."""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from fastapi import FastAPI, HTTPException, Response
from fastapi.concurrency import run_in_threadpool
from sqlalchemy import Column, Engine, Integer, MetaData, String, Table, func, insert, select

from shop import faults
from shop.burner import burn_while
from shop.cache import LosingCache, ReadThrough, open_cache
from shop.database import answer_database_errors, can_answer, open_database
from shop.products import PRODUCTS
from shop.service import Service
from shop.settings import Settings
from shop.switches import Switchboard

TTL_S: Final = 300.0
_LIST: Final = "list"
_TABLES: Final = MetaData()
_PRODUCTS: Final = Table(
    "products",
    _TABLES,
    Column("name", String(64), primary_key=True),
    Column("title", String(256), nullable=False),
    Column("price_cents", Integer, nullable=False),
)


class BadReleaseError(Exception):
    """What a release that was never tried with its real data raises."""


class Catalogue:
    """The endpoints.

    Args:
        engine: holds the products.
        cache: is read first.
        switches: the faults of this process.
    """

    def __init__(self, engine: Engine, cache: ReadThrough, switches: Switchboard) -> None:
        self._engine = engine
        self._cache = cache
        self._bad_release = switches.event(faults.BAD_RELEASE)

    def products(self) -> Response:
        """All products."""
        self._fail_if_bad()
        return _json(self._cache.get(_LIST, self._read_list))

    def product(self, name: str) -> Response:
        """One product."""
        self._fail_if_bad()
        text = self._cache.get(f"product:{name}", lambda: self._read_product(name))
        return _json(text)

    def warm(self) -> None:
        """Fill an empty shop, and cache all of it, so that a start is no wave of misses."""
        with self._engine.begin() as connection:
            if not connection.scalar(select(func.count()).select_from(_PRODUCTS)):
                names = ("name", "title", "price_cents")
                rows = [dict(zip(names, row, strict=True)) for row in PRODUCTS]
                connection.execute(insert(_PRODUCTS), rows)
        listed = self._read_list()
        self._cache.keep(_LIST, listed)
        for product in json.loads(listed):
            self._cache.keep(f"product:{product['name']}", json.dumps(product))

    def _read_list(self) -> str:
        with self._engine.connect() as connection:
            rows = connection.execute(select(_PRODUCTS).order_by(_PRODUCTS.c.name)).mappings()
            return json.dumps([dict(row) for row in rows])

    def _read_product(self, name: str) -> str | None:
        with self._engine.connect() as connection:
            row = connection.execute(select(_PRODUCTS).where(_PRODUCTS.c.name == name)).mappings().first()
            return None if row is None else json.dumps(dict(row))

    def _fail_if_bad(self) -> None:
        if self._bad_release.is_set():
            raise BadReleaseError("prices are read as decimal numbers, the table holds cents")


def build(settings: Settings) -> Service:
    """The service.

    Raises:
        SettingsError: a setting cannot be used.
    """
    switches = Switchboard(faults.HIGH_CPU, faults.CACHE_MISSES, faults.BAD_RELEASE)
    engine = open_database(settings.database_url, _TABLES)
    cache = LosingCache(open_cache(settings.cache_url), switches.event(faults.CACHE_MISSES))
    # the seed only spreads times to live
    read_through = ReadThrough("products", cache, ttl_s=TTL_S, rng=random.Random(1))  # noqa: S311
    catalogue = Catalogue(engine, read_through, switches)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await run_in_threadpool(catalogue.warm)
        yield

    app = FastAPI(title="catalogue", version=settings.version, lifespan=lifespan)
    app.add_api_route("/products", catalogue.products, methods=["GET"])
    app.add_api_route("/products/{name}", catalogue.product, methods=["GET"])
    answer_database_errors(app)
    if settings.faults:
        app.include_router(switches.router())
        burn_while(switches.event(faults.HIGH_CPU))
    return Service(app=app, readiness={"database": lambda: can_answer(engine)})


def _json(text: str | None) -> Response:
    if text is None:
        raise HTTPException(404, "no such product")
    return Response(text, media_type="application/json")
