from __future__ import annotations

import threading

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from shop.database import can_answer, fail_while, open_database
from shop.order_store import TABLES, Order, OrderStore, Status


@pytest.fixture
def engine() -> Engine:
    return open_database("sqlite://", TABLES)


@pytest.fixture
def store(engine: Engine) -> OrderStore:
    return OrderStore(engine)


@pytest.fixture
def placed(store: OrderStore) -> Order:
    return store.place(customer="ada", product="mug", quantity=3, price_cents=1_450)


def test_an_order_costs_what_its_products_cost(store: OrderStore, placed: Order) -> None:
    assert placed.amount_cents == 4_350
    assert store.find(placed.id, customer="ada") == placed


def test_nobody_sees_the_order_of_another(store: OrderStore, placed: Order) -> None:
    assert store.find(placed.id, customer="eve") is None


def test_two_payments_never_run_at_once(store: OrderStore, placed: Order) -> None:
    assert [store.claim(placed.id), store.claim(placed.id)] == [True, False]


@pytest.mark.parametrize(
    ("ended", "claims"),
    [(Status.PLACED, [True, False]), (Status.DECLINED, [True, False]), (Status.PAID, [False, False])],
    ids=["failed", "declined", "paid"],
)
def test_an_order_can_be_paid_again_unless_it_is_paid(
    store: OrderStore, placed: Order, ended: Status, claims: list[bool]
) -> None:
    assert store.claim(placed.id)
    store.settle(placed.id, ended)
    assert [store.claim(placed.id), store.claim(placed.id)] == claims


def test_many_threads_share_the_database_in_memory(store: OrderStore, placed: Order) -> None:
    claims: list[bool] = []
    threads = [threading.Thread(target=lambda: claims.append(store.claim(placed.id))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(claims) == [False] * 7 + [True]


def test_a_broken_database_fails_every_statement_and_is_well_afterwards(
    engine: Engine, store: OrderStore, placed: Order
) -> None:
    broken = threading.Event()
    fail_while(engine, broken)
    broken.set()
    for act in (lambda: store.find(placed.id, customer="ada"), lambda: can_answer(engine)):
        with pytest.raises(OperationalError, match="no such table"):
            act()
    broken.clear()
    assert can_answer(engine)
    assert store.find(placed.id, customer="ada") == placed


def test_a_failed_statement_does_not_tell_what_was_written(engine: Engine, store: OrderStore) -> None:
    broken = threading.Event()
    fail_while(engine, broken)
    broken.set()
    with pytest.raises(OperationalError) as caught:
        store.place(customer="ada-lovelace", product="mug", quantity=1, price_cents=1)
    assert "ada-lovelace" not in str(caught.value)
