"""What a business event is: typed fields, and what each of them becomes.

An event is a frozen dataclass. Its ``counts`` is the counter that each event adds one to; each field is
one of three kinds::

    @dataclass(frozen=True, slots=True, kw_only=True)
    class GiftCardSold(Event):
        '''A gift card was sold.'''

        name: ClassVar[str] = "gift.card.sold"
        counts: ClassVar[Metric | None] = GIFT_CARDS
        design: Literal["birthday", "wedding"] = label("gift.card.design")
        value: float = measured(GIFT_CARD_VALUE)
        code_prefix: str = detail("gift.card.code_prefix", default="")
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal, get_args, get_origin, get_type_hints

from shopwatch.catalogue.attributes import OTHER
from shopwatch.catalogue.declared import declare
from shopwatch.catalogue.model import Kind, Metric
from shopwatch.exceptions import InvalidDeclaration

_LABEL: Final = "shopwatch.label"
_MEASURED: Final = "shopwatch.measured"
_DETAIL: Final = "shopwatch.detail"
_NONE: Final[Any] = dataclasses.MISSING


def label(attribute: str, *, default: Any = _NONE) -> Any:  # noqa: ANN401 - stands for a field of any type
    """A field that is a label of the event's metrics, and so must have few values.

    Args:
        attribute: OpenTelemetry name; one of the counter's attributes.
        default: its value when it is left out.
    """
    return dataclasses.field(default=default, metadata={_LABEL: attribute})


def measured(
    metric: Metric,
    *,
    default: Any = _NONE,  # noqa: ANN401 - as above
    default_factory: Any = _NONE,  # noqa: ANN401 - as above
) -> Any:  # noqa: ANN401 - as above
    """A field that a histogram observes, or a gauge is set to; None records nothing.

    Args:
        metric: the histogram or gauge; its attributes are among the event's labels.
        default: its value when it is left out.
        default_factory: makes it then.
    """
    return dataclasses.field(default=default, default_factory=default_factory, metadata={_MEASURED: metric})


def detail(attribute: str, *, default: Any = _NONE) -> Any:  # noqa: ANN401 - as above
    """A field of span and log line alone, such as an order's number, which has too many values for a label.

    Args:
        attribute: OpenTelemetry name.
        default: its value when it is left out.
    """
    return dataclasses.field(default=default, metadata={_DETAIL: attribute})


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What the fields of one kind of event become; made once for each class.

    ``labels`` and ``details`` map a field to its attribute, ``measures`` to its metric, ``choices`` a label
    with a ``Literal`` type to its values.
    """

    labels: Mapping[str, str]
    details: Mapping[str, str]
    measures: Mapping[str, Metric]
    choices: Mapping[str, frozenset[object]]


class Event:
    """The base of business events; subclasses are frozen dataclasses.

    Raises:
        InvalidDeclaration: at the first use, for a field that is of no kind, a metric whose attributes are
            not the event's labels, or a name that is not to be had.
    """

    __slots__ = ()
    name: ClassVar[str]
    counts: ClassVar[Metric | None] = None

    @classmethod
    def shape(cls) -> Shape:
        """What its fields become; checked and kept when it is first asked for."""
        known = _shapes.get(cls)
        if known is None:
            known = _shapes[cls] = _shape(cls)
        return known

    def attributes(self) -> dict[str, Any]:
        """What span and log line say: labels, details and measured values that are not None, by attribute."""
        shape = self.shape()
        named = {**shape.labels, **shape.details}
        said: dict[str, Any] = {attribute: getattr(self, field) for field, attribute in named.items()}
        said.update({metric.name: getattr(self, field) for field, metric in shape.measures.items()})
        return {name: value for name, value in said.items() if value is not None and value != ""}

    def recordings(self) -> list[tuple[Metric, float, tuple[str, ...]]]:
        """What its metrics record: metric, value, and the values of the metric's attributes.

        A label that is none of its type's choices is ``_OTHER``: an event is never lost for one.
        """
        shape = self.shape()
        values = {
            attribute: _chosen(getattr(self, field), shape.choices.get(field))
            for field, attribute in shape.labels.items()
        }
        found = [] if self.counts is None else [(self.counts, 1.0)]
        found += [
            (metric, float(value))
            for field, metric in shape.measures.items()
            if (value := getattr(self, field)) is not None
        ]
        return [(metric, value, tuple(values[name] for name in metric.attributes)) for metric, value in found]


_shapes: Final[dict[type[Event], Shape]] = {}


def _chosen(value: object, choices: frozenset[object] | None) -> str:
    if value is None:
        return ""
    return str(value) if choices is None or value in choices else OTHER


def _shape(cls: type[Event]) -> Shape:
    if "__dataclass_fields__" not in vars(cls):
        raise InvalidDeclaration(f"event {cls.__name__}: expected a class with @dataclass(frozen=True, ...)")
    if not isinstance(getattr(cls, "name", None), str):
        raise InvalidDeclaration(f"event {cls.__name__}: expected a name, such as name = 'gift.card.sold'")
    fields = dataclasses.fields(cls)  # type: ignore[arg-type]  # checked above
    for field in fields:
        if not field.metadata.keys() & {_LABEL, _MEASURED, _DETAIL}:
            raise InvalidDeclaration(
                f"event {cls.__name__}: field {field.name!r} is of no kind; expected label(...), "
                "measured(...) or detail(...)"
            )
    shape = Shape(
        labels={field.name: field.metadata[_LABEL] for field in fields if _LABEL in field.metadata},
        details={field.name: field.metadata[_DETAIL] for field in fields if _DETAIL in field.metadata},
        measures={field.name: field.metadata[_MEASURED] for field in fields if _MEASURED in field.metadata},
        choices=_choices(cls),
    )
    _check_metrics(cls, shape)
    return shape


def _choices(cls: type[Event]) -> dict[str, frozenset[object]]:
    """The values of the fields whose type is a ``Literal``."""
    hints = get_type_hints(cls)
    return {field: frozenset(get_args(hint)) for field, hint in hints.items() if get_origin(hint) is Literal}


def _check_metrics(cls: type[Event], shape: Shape) -> None:
    if cls.counts is not None and cls.counts.kind is not Kind.COUNTER:
        raise InvalidDeclaration(f"event {cls.__name__}: {cls.counts.name!r} is no counter")
    for field, metric in shape.measures.items():
        if metric.kind is Kind.COUNTER:
            raise InvalidDeclaration(
                f"event {cls.__name__}: field {field!r} cannot be measured by the counter {metric.name!r}; "
                "expected a histogram or a gauge"
            )
    for metric in (*filter(None, (cls.counts,)), *shape.measures.values()):
        missing = [name for name in metric.attributes if name not in shape.labels.values()]
        if missing:
            raise InvalidDeclaration(
                f"event {cls.__name__}: metric {metric.name!r} has the attribute {missing[0]!r}, and no "
                f"field is label({missing[0]!r})"
            )
        declare(metric)
