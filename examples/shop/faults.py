"""The faults that the shop can be given, and the alert that each must raise. Plain data."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final


class Mechanism(Enum):
    """How a fault is brought about."""

    HTTP = "http"  # PUT and DELETE /faults/<name> at the service
    CRASH = "crash"  # the service's process is killed, and started again
    ATTACK = "attack"  # python -m shop.load --attack runs for as long as it lasts


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault: the one alert that it pages is about ``service``, in the process of that ``track``."""

    name: str
    service: str
    description: str
    alert: str
    mechanism: Mechanism
    track: str = "stable"


DATABASE_ERRORS: Final = Fault(
    name="database-errors",
    service="orders",
    description="every statement of the orders database fails: its tables are gone",
    alert="DatabaseErrors",
    mechanism=Mechanism.HTTP,
)
SLOW_PAYMENT_PROVIDER: Final = Fault(
    name="slow-payment-provider",
    service="payments",
    description="the payment provider takes one and a half seconds for a charge",
    alert="PaymentProviderSlow",
    mechanism=Mechanism.HTTP,
)
HIGH_CPU: Final = Fault(
    name="high-cpu",
    service="catalogue",
    description="threads of the catalogue burn all the processor time they get",
    alert="HighCPU",
    mechanism=Mechanism.HTTP,
)
CACHE_MISSES: Final = Fault(
    name="cache-misses",
    service="catalogue",
    description="the catalogue's cache loses every entry at once",
    alert="CacheHitRatioLow",
    mechanism=Mechanism.HTTP,
)
STUCK_WORKER: Final = Fault(
    name="stuck-worker",
    service="orders",
    description="the worker that confirms orders takes no message from its queue",
    alert="QueueWorkerStuck",
    mechanism=Mechanism.HTTP,
)
LOGIN_ATTACK: Final = Fault(
    name="login-attack",
    service="auth",
    description="somebody tries one wrong password after another",
    alert="LoginFailureSurge",
    mechanism=Mechanism.ATTACK,
)
CRASHED_SERVICE: Final = Fault(
    name="crashed-service",
    service="payments",
    description="the payments process is killed",
    alert="ServiceDown",
    mechanism=Mechanism.CRASH,
)
BAD_RELEASE: Final = Fault(
    name="bad-release",
    service="catalogue",
    description="the canary of the catalogue's new version fails every request",
    alert="CanaryErrors",
    mechanism=Mechanism.HTTP,
    track="canary",
)

FAULTS: Final[tuple[Fault, ...]] = (
    DATABASE_ERRORS,
    SLOW_PAYMENT_PROVIDER,
    HIGH_CPU,
    CACHE_MISSES,
    STUCK_WORKER,
    LOGIN_ATTACK,
    CRASHED_SERVICE,
    BAD_RELEASE,
)
