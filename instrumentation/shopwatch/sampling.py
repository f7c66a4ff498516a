"""Which traces are recorded: OpenTelemetry's built-in samplers, as one decision on plain numbers.

``OTEL_TRACES_SAMPLER`` names them. The ratio is taken of the trace id's lowest 64 bits, as in
OpenTelemetry's SDK, so that all services of a trace decide alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from shopwatch.settings import Settings

_SAMPLED: Final = 1  # W3C trace context, section 3.2.2.5.1
_LOW_BITS: Final = (1 << 64) - 1
_PARENT_BASED: Final = "parentbased_"


@dataclass(frozen=True, slots=True)
class Sampler:
    """Decides on a trace.

    Args:
        bound: traces without a parent are recorded when their id's lowest 64 bits are below it.
        parent_decides: whether a parent's decision is followed.
    """

    bound: int
    parent_decides: bool

    def decide(self, trace_id: int, parent_flags: int | None) -> bool:
        """Whether a trace is recorded.

        Args:
            trace_id: of the trace.
            parent_flags: W3C flags of the parent; None when there is none.
        """
        if parent_flags is not None and self.parent_decides:
            return bool(parent_flags & _SAMPLED)
        return trace_id & _LOW_BITS < self.bound


def sampler(settings: Settings) -> Sampler:
    """The sampler that the settings name."""
    name = settings.sampler.removeprefix(_PARENT_BASED)
    ratio = {"always_on": 1.0, "always_off": 0.0}.get(name, settings.sample_ratio)
    return Sampler(round(ratio * (_LOW_BITS + 1)), settings.sampler.startswith(_PARENT_BASED))


class RateLimit:
    """A token bucket: what callers may have recorded, whatever their headers say.

    Args:
        per_s: tokens a second.
        burst: tokens that may be saved up.
    """

    __slots__ = ("_burst", "_per_ns", "_then", "_tokens")

    def __init__(self, per_s: float, burst: float) -> None:
        self._per_ns = per_s / 1e9
        self._burst = max(1.0, burst)
        self._tokens = self._burst
        self._then: int | None = None

    def allow(self, now_ns: int) -> bool:
        """Take a token if there is one; ``now_ns`` of a clock that does not step."""
        since = 0 if self._then is None else max(0, now_ns - self._then)
        self._then = now_ns
        self._tokens = min(self._burst, self._tokens + since * self._per_ns)
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
