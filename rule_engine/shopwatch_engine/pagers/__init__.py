"""The pagers: one vendor a file, each a pure ``render`` and a ``send`` that tries once.

Retries belong to the outbox; a pager only says, with PagerError, whether one can help.
"""

from shopwatch_engine.clock import Clock, SystemClock
from shopwatch_engine.model import Integration, PagerKind
from shopwatch_engine.pagers.opsgenie import OpsgeniePager
from shopwatch_engine.pagers.pagerduty import PagerDutyPager
from shopwatch_engine.ports import Pager

__all__ = ["OpsgeniePager", "PagerDutyPager", "make_pager"]


def make_pager(
    integration: Integration,
    *,
    threads: int = 4,
    timeout_s: float = 10.0,
    clock: Clock | None = None,
) -> Pager:
    """The pager that an integration asks for.

    Args:
        integration: which vendor, where, with which key and texts.
        threads: how many pages may be on their way to it at once.
        timeout_s: seconds to wait for each answer.
        clock: tells how far away a ``Retry-After`` date is.
    """
    clock = clock or SystemClock()
    match integration.kind:
        case PagerKind.PAGERDUTY:
            return PagerDutyPager(integration, threads=threads, timeout_s=timeout_s, clock=clock)
        case PagerKind.OPSGENIE:
            return OpsgeniePager(integration, threads=threads, timeout_s=timeout_s, clock=clock)
