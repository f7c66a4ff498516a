"""Business metrics and events of a shop."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import ClassVar, Final, Literal

from shopwatch.catalogue.attributes import (
    AMOUNT_BUCKETS,
    BACKUP_TARGET,
    CACHE_NAME,
    CACHE_RESULT,
    CART_ACTION,
    CHECKOUT_STEP,
    CURRENCY,
    FLAG_KEY,
    FLAG_VARIANT,
    ITEM_BUCKETS,
    JOB_NAME,
    LIMIT_NAME,
    LOGIN_METHOD,
    OAUTH_ERROR,
    OAUTH_GRANT,
    ORDER_ID,
    OUTCOME,
    PAYMENT_PROVIDER,
    PRODUCT_CATEGORY,
    WAITING_BUCKETS,
)
from shopwatch.catalogue.database import CACHE_REQUESTS
from shopwatch.catalogue.event import Event, detail, label, measured
from shopwatch.catalogue.messaging import JOB_DURATION
from shopwatch.catalogue.model import Across, Kind, Metric

# ---------------------------------------------------------------- metrics
LOGIN_ATTEMPTS: Final = Metric(
    name="shopwatch.login.attempts",
    kind=Kind.COUNTER,
    unit="{attempt}",
    description="Login attempts by outcome (success, failure, locked) and method.",
    attributes=(OUTCOME, LOGIN_METHOD),
)
OAUTH_TOKENS: Final = Metric(
    name="shopwatch.oauth.tokens",
    kind=Kind.COUNTER,
    unit="{token}",
    description="OAuth tokens asked for, by grant, outcome (issued, refused) and error (RFC 6749).",
    attributes=(OAUTH_GRANT, OUTCOME, OAUTH_ERROR),
)
RATE_LIMIT_REFUSALS: Final = Metric(
    name="shopwatch.rate_limit.refusals",
    kind=Kind.COUNTER,
    unit="{request}",
    description="Requests refused because of a rate limit.",
    attributes=(LIMIT_NAME,),
)
CHECKOUT_STEPS: Final = Metric(
    name="shopwatch.checkout.steps",
    kind=Kind.COUNTER,
    unit="{step}",
    description="Steps of checkouts by outcome (entered, completed, abandoned, failed).",
    attributes=(CHECKOUT_STEP, OUTCOME),
)
CART_CHANGES: Final = Metric(
    name="shopwatch.cart.changes",
    kind=Kind.COUNTER,
    unit="{change}",
    description="Changes of carts by action (add, remove, clear, abandon).",
    attributes=(CART_ACTION,),
)
CART_ITEMS: Final = Metric(
    name="shopwatch.cart.items",
    kind=Kind.HISTOGRAM,
    unit="{item}",
    description="Items in a cart after a change.",
    buckets=ITEM_BUCKETS,
)
ORDERS: Final = Metric(
    name="shopwatch.orders",
    kind=Kind.COUNTER,
    unit="{order}",
    description="Orders by outcome (placed, failed, declined, cancelled).",
    attributes=(OUTCOME,),
)
ORDER_AMOUNT: Final = Metric(
    name="shopwatch.order.amount",
    kind=Kind.HISTOGRAM,
    unit="{currency}",
    description="Amounts of orders, in whole units of their currency.",
    attributes=(OUTCOME, CURRENCY),
    buckets=AMOUNT_BUCKETS,
)
PAYMENTS: Final = Metric(
    name="shopwatch.payments",
    kind=Kind.COUNTER,
    unit="{payment}",
    description="Payments by provider and outcome (approved, declined, error).",
    attributes=(PAYMENT_PROVIDER, OUTCOME),
)
PAYMENT_AMOUNT: Final = Metric(
    name="shopwatch.payment.amount",
    kind=Kind.HISTOGRAM,
    unit="{currency}",
    description="Amounts of payments, in whole units of their currency.",
    attributes=(PAYMENT_PROVIDER, OUTCOME, CURRENCY),
    buckets=AMOUNT_BUCKETS,
)
STOCK_LEVEL: Final = Metric(
    name="shopwatch.stock.level",
    kind=Kind.GAUGE,
    unit="{item}",
    description="Items in stock by category.",
    attributes=(PRODUCT_CATEGORY,),
    across=Across.LATEST,
)
STOCK_OUTS: Final = Metric(
    name="shopwatch.stock.outs",
    kind=Kind.COUNTER,
    unit="{product}",
    description="Products that were asked for and out of stock, by category.",
    attributes=(PRODUCT_CATEGORY,),
)
BACKUPS: Final = Metric(
    name="shopwatch.backups",
    kind=Kind.COUNTER,
    unit="{backup}",
    description="Backups by target and outcome (success, failure).",
    attributes=(BACKUP_TARGET, OUTCOME),
)
BACKUP_SIZE: Final = Metric(
    name="shopwatch.backup.size",
    kind=Kind.GAUGE,
    unit="By",
    description="Size of the latest backup by target and outcome.",
    attributes=(BACKUP_TARGET, OUTCOME),
    across=Across.LATEST,
)
BACKUP_COMPLETED: Final = Metric(
    name="shopwatch.backup.completed.timestamp",
    kind=Kind.GAUGE,
    unit="s",
    description="When the latest backup ended, since the epoch, by target and outcome.",
    attributes=(BACKUP_TARGET, OUTCOME),
    across=Across.LATEST,
)
BACKUP_DURATION: Final = Metric(
    name="shopwatch.backup.duration",
    kind=Kind.HISTOGRAM,
    unit="s",
    description="Duration of backups by target and outcome.",
    attributes=(BACKUP_TARGET, OUTCOME),
    buckets=WAITING_BUCKETS,
)
DEPLOYMENTS: Final = Metric(
    name="shopwatch.deployments",
    kind=Kind.COUNTER,
    unit="{deployment}",
    description="Deployments by outcome (started, succeeded, failed, rolled_back).",
    attributes=(OUTCOME,),
)
CANARY_WEIGHT: Final = Metric(
    name="shopwatch.canary.weight",
    kind=Kind.GAUGE,
    unit="1",
    description="Share of the traffic that the canary is given, from 0 to 1.",
    across=Across.LATEST,
)
FLAG_EVALUATIONS: Final = Metric(
    name="shopwatch.feature_flag.evaluations",
    kind=Kind.COUNTER,
    unit="{evaluation}",
    description="Evaluations of feature flags by key and variant.",
    attributes=(FLAG_KEY, FLAG_VARIANT),
)

SHOP_METRICS: Final = (
    LOGIN_ATTEMPTS,
    OAUTH_TOKENS,
    RATE_LIMIT_REFUSALS,
    CHECKOUT_STEPS,
    CART_CHANGES,
    CART_ITEMS,
    ORDERS,
    ORDER_AMOUNT,
    PAYMENTS,
    PAYMENT_AMOUNT,
    STOCK_LEVEL,
    STOCK_OUTS,
    BACKUPS,
    BACKUP_SIZE,
    BACKUP_COMPLETED,
    BACKUP_DURATION,
    DEPLOYMENTS,
    CANARY_WEIGHT,
    FLAG_EVALUATIONS,
)


# ---------------------------------------------------------------- events
@dataclass(frozen=True, slots=True, kw_only=True)
class LoginAttempt(Event):
    """Somebody tried to log in."""

    name: ClassVar[str] = "shopwatch.login.attempt"
    counts: ClassVar[Metric | None] = LOGIN_ATTEMPTS
    outcome: Literal["success", "failure", "locked"] = label(OUTCOME)
    method: Literal["", "password", "oauth", "passkey"] = label(LOGIN_METHOD, default="")


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenIssued(Event):
    """An OAuth token was issued."""

    name: ClassVar[str] = "shopwatch.oauth.token_issued"
    counts: ClassVar[Metric | None] = OAUTH_TOKENS
    grant: Literal["authorization_code", "client_credentials", "refresh_token", "password", "device_code"] = (
        label(OAUTH_GRANT)
    )
    outcome: Literal["issued"] = label(OUTCOME, default="issued")
    error: Literal[""] = label(OAUTH_ERROR, default="")


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRefused(Event):
    """An OAuth token was refused; ``error`` as RFC 6749, section 5.2, has it."""

    name: ClassVar[str] = "shopwatch.oauth.token_refused"
    counts: ClassVar[Metric | None] = OAUTH_TOKENS
    grant: Literal["authorization_code", "client_credentials", "refresh_token", "password", "device_code"] = (
        label(OAUTH_GRANT)
    )
    error: Literal[
        "invalid_request",
        "invalid_client",
        "invalid_grant",
        "unauthorized_client",
        "unsupported_grant_type",
        "invalid_scope",
    ] = label(OAUTH_ERROR)
    outcome: Literal["refused"] = label(OUTCOME, default="refused")


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimited(Event):
    """A request was refused because of a rate limit."""

    name: ClassVar[str] = "shopwatch.rate_limit.refused"
    counts: ClassVar[Metric | None] = RATE_LIMIT_REFUSALS
    limit: str = label(LIMIT_NAME)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckoutStep(Event):
    """A customer came to a step of the checkout, or left it."""

    name: ClassVar[str] = "shopwatch.checkout.step"
    counts: ClassVar[Metric | None] = CHECKOUT_STEPS
    step: Literal["cart", "address", "shipping", "payment", "confirmation"] = label(CHECKOUT_STEP)
    outcome: Literal["entered", "completed", "abandoned", "failed"] = label(OUTCOME)


@dataclass(frozen=True, slots=True, kw_only=True)
class CartChanged(Event):
    """A cart was changed; ``items`` are those in it afterwards."""

    name: ClassVar[str] = "shopwatch.cart.changed"
    counts: ClassVar[Metric | None] = CART_CHANGES
    action: Literal["add", "remove", "clear", "abandon"] = label(CART_ACTION)
    items: int | None = measured(CART_ITEMS, default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order(Event):
    """An order was placed, or was not; ``currency`` by ISO 4217."""

    name: ClassVar[str] = "shopwatch.order"
    counts: ClassVar[Metric | None] = ORDERS
    outcome: Literal["placed", "failed", "declined", "cancelled"] = label(OUTCOME)
    amount: float | None = measured(ORDER_AMOUNT, default=None)
    currency: str = label(CURRENCY, default="")
    order_id: str = detail(ORDER_ID, default="")


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment(Event):
    """A payment was tried; ``currency`` by ISO 4217."""

    name: ClassVar[str] = "shopwatch.payment"
    counts: ClassVar[Metric | None] = PAYMENTS
    provider: str = label(PAYMENT_PROVIDER)
    outcome: Literal["approved", "declined", "error"] = label(OUTCOME)
    amount: float | None = measured(PAYMENT_AMOUNT, default=None)
    currency: str = label(CURRENCY, default="")
    order_id: str = detail(ORDER_ID, default="")


@dataclass(frozen=True, slots=True, kw_only=True)
class StockLevel(Event):
    """So many items of a category are in stock now."""

    name: ClassVar[str] = "shopwatch.stock.changed"
    category: str = label(PRODUCT_CATEGORY)
    items: int = measured(STOCK_LEVEL)


@dataclass(frozen=True, slots=True, kw_only=True)
class StockOut(Event):
    """A product was asked for, and there is none."""

    name: ClassVar[str] = "shopwatch.stock.out"
    counts: ClassVar[Metric | None] = STOCK_OUTS
    category: str = label(PRODUCT_CATEGORY)


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheLookup(Event):
    """A cache was asked; those of redis and pymemcache are counted without this."""

    name: ClassVar[str] = "shopwatch.cache.lookup"
    counts: ClassVar[Metric | None] = CACHE_REQUESTS
    cache: str = label(CACHE_NAME)
    result: Literal["hit", "miss", "error"] = label(CACHE_RESULT)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRun(Event):
    """A background job ran for so many seconds; those of Celery are recorded without this."""

    name: ClassVar[str] = "shopwatch.job.run"
    job: str = label(JOB_NAME)
    outcome: Literal["success", "failure", "retry"] = label(OUTCOME)
    seconds: float = measured(JOB_DURATION)


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup(Event):
    """A backup ended; ``size`` in bytes, ``completed`` in seconds since the epoch."""

    name: ClassVar[str] = "shopwatch.backup"
    counts: ClassVar[Metric | None] = BACKUPS
    target: str = label(BACKUP_TARGET)
    outcome: Literal["success", "failure"] = label(OUTCOME)
    size: int | None = measured(BACKUP_SIZE, default=None)
    seconds: float | None = measured(BACKUP_DURATION, default=None)
    completed: float = measured(BACKUP_COMPLETED, default_factory=time.time)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment(Event):
    """A deployment began or ended; version and track are the resource's."""

    name: ClassVar[str] = "shopwatch.deployment"
    counts: ClassVar[Metric | None] = DEPLOYMENTS
    outcome: Literal["started", "succeeded", "failed", "rolled_back"] = label(OUTCOME)


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryWeight(Event):
    """The canary is given another share of the traffic, from 0 to 1."""

    name: ClassVar[str] = "shopwatch.canary.weighted"
    weight: float = measured(CANARY_WEIGHT)


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagEvaluated(Event):
    """A feature flag was asked for (semantic conventions, feature_flag.evaluation)."""

    name: ClassVar[str] = "feature_flag.evaluation"
    counts: ClassVar[Metric | None] = FLAG_EVALUATIONS
    key: str = label(FLAG_KEY)
    variant: str = label(FLAG_VARIANT)


EVENTS: Final[tuple[type[Event], ...]] = (
    LoginAttempt,
    TokenIssued,
    TokenRefused,
    RateLimited,
    CheckoutStep,
    CartChanged,
    Order,
    Payment,
    StockLevel,
    StockOut,
    CacheLookup,
    JobRun,
    Backup,
    Deployment,
    CanaryWeight,
    FlagEvaluated,
)
"""Every event of the catalogue."""
