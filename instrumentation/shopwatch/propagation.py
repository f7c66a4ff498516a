"""The trace's context between processes, by the propagators that ``OTEL_PROPAGATORS`` names.

What comes in is not trusted: headers that no honest caller sends cost little and mean nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.metadata import entry_points
from typing import Final

from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.propagators.textmap import Getter, TextMapPropagator
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

Headers = Sequence[tuple[bytes, bytes]]

TRACECONTEXT: Final = "tracecontext"
BAGGAGE: Final = "baggage"
NONE: Final = "none"
DEFAULT: Final = (TRACECONTEXT, BAGGAGE)
"""OpenTelemetry specification, general SDK configuration: the default of ``OTEL_PROPAGATORS``."""
_PLAIN: Final = frozenset(DEFAULT)
_GROUP: Final = "opentelemetry_propagator"
_LONGEST: Final = 8_192  # bytes of a header; W3C baggage, section 3.3.2, asks for no more


def is_plain(names: Sequence[str]) -> bool:
    """Whether these propagators read nothing but ``traceparent``, ``tracestate`` and ``baggage``."""
    return TRACECONTEXT in names and _PLAIN.issuperset(names)


def propagator(names: Sequence[str]) -> tuple[TextMapPropagator, tuple[str, ...]]:
    """The propagator of these names, and what was wrong with them.

    Args:
        names: ``tracecontext``, ``baggage``, ``b3``, ``b3multi``, ``jaeger``, ``none``, or any that an
            installed package registers with OpenTelemetry.
    """
    if NONE in names:
        return CompositePropagator([]), ()
    found: list[TextMapPropagator] = []
    problems: list[str] = []
    for name in dict.fromkeys(names):
        try:
            found.append(_propagator(name))
        except Exception as error:  # noqa: BLE001 - whatever another package's code raises
            problems.append(
                f"OTEL_PROPAGATORS={name!r} is not usable ({error}): expected tracecontext, baggage, "
                "b3, b3multi, jaeger, none, or one that an installed package registers; going on without it"
            )
    return CompositePropagator(found), tuple(problems)


def _propagator(name: str) -> TextMapPropagator:
    own: dict[str, Callable[[], TextMapPropagator]] = {
        TRACECONTEXT: TraceContextTextMapPropagator,
        BAGGAGE: W3CBaggagePropagator,
    }
    if name in own:
        return own[name]()
    registered = tuple(entry_points(group=_GROUP, name=name))
    if not registered:
        raise LookupError("no installed package has it")
    made: TextMapPropagator = registered[0].load()()
    return made


class HeaderGetter(Getter[Headers]):
    """Reads raw headers with lower-case names; what is longer than 8,192 bytes counts as absent."""

    def get(self, carrier: Headers, key: str) -> list[str] | None:
        """Every value of a header; None when it is absent."""
        wanted = key.lower().encode("latin-1", "replace")
        found = [value for name, value in carrier if name == wanted]
        if not found or sum(map(len, found)) > _LONGEST:
            return None
        return [value.decode("latin-1") for value in found]

    def keys(self, carrier: Headers) -> list[str]:
        """The names of the headers."""
        return [name.decode("latin-1") for name, _ in carrier]


_getter: Final = HeaderGetter()
_ROOT: Final = Context()


def extract(propagator: TextMapPropagator, headers: Headers) -> Context:
    """The context that headers carry, over an empty one."""
    return propagator.extract(headers, _ROOT, _getter)
