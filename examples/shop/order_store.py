"""Orders in the database, and the steps that an order may take. Knows nothing of HTTP.

::

    placed --> paying --> paid
       ^         | |
       |  failed | | declined
       '---------' '--> declined --> paying
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from enum import Enum
from typing import Final

from sqlalchemy import Column, Engine, Integer, MetaData, String, Table, insert, select, update

TABLES: Final = MetaData()
_ORDERS: Final = Table(
    "orders",
    TABLES,
    Column("id", String(32), primary_key=True),
    Column("customer", String(64), nullable=False),
    Column("product", String(64), nullable=False),
    Column("quantity", Integer, nullable=False),
    Column("amount_cents", Integer, nullable=False),
    Column("status", String(16), nullable=False),
)


class Status(Enum):
    """Where an order stands."""

    PLACED = "placed"
    PAYING = "paying"
    PAID = "paid"
    DECLINED = "declined"


_PAYABLE: Final = (Status.PLACED.value, Status.DECLINED.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One order of one product."""

    id: str
    customer: str
    product: str
    quantity: int
    amount_cents: int
    status: Status


class OrderStore:
    """Reads and writes orders.

    Args:
        engine: the database.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def place(self, *, customer: str, product: str, quantity: int, price_cents: int) -> Order:
        """Write a new order."""
        order = Order(
            id=uuid.uuid4().hex,
            customer=customer,
            product=product,
            quantity=quantity,
            amount_cents=quantity * price_cents,
            status=Status.PLACED,
        )
        with self._engine.begin() as connection:
            connection.execute(
                insert(_ORDERS).values(
                    id=order.id,
                    customer=customer,
                    product=product,
                    quantity=quantity,
                    amount_cents=order.amount_cents,
                    status=order.status.value,
                )
            )
        return order

    def find(self, order_id: str, *, customer: str) -> Order | None:
        """A customer's own order."""
        wanted = select(_ORDERS).where(_ORDERS.c.id == order_id, _ORDERS.c.customer == customer)
        with self._engine.connect() as connection:
            row = connection.execute(wanted).mappings().first()
        return None if row is None else Order(**{**row, "status": Status(row["status"])})

    def claim(self, order_id: str) -> bool:
        """Begin to pay; False when the order is being paid or is paid: two payments never run at once."""
        payable = (_ORDERS.c.id == order_id) & _ORDERS.c.status.in_(_PAYABLE)
        with self._engine.begin() as connection:
            claimed = connection.execute(update(_ORDERS).where(payable).values(status=Status.PAYING.value))
            return claimed.rowcount == 1

    def settle(self, order_id: str, status: Status) -> None:
        """Write how a payment ended."""
        with self._engine.begin() as connection:
            connection.execute(update(_ORDERS).where(_ORDERS.c.id == order_id).values(status=status.value))
