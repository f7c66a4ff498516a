"""What a Prometheus rule file may say, and what each value must be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator, Field

from shopwatch_engine import promql
from shopwatch_engine.definitions.schema import Definition, Seconds, checked, rejected, without_empty
from shopwatch_engine.exceptions import TemplateError
from shopwatch_engine.templates import check_template

RESERVED_LABELS: Final = frozenset({"__name__", "alertname"})

_EXPR_REMEDY: Final = "mend the expression; Prometheus' own page shows where it stops"
_TEMPLATE_REMEDY: Final = "mend the template; its functions are those of Prometheus' template reference"


def _expr(text: str) -> str:
    if not text.strip():
        raise ValueError("the expression is empty")
    promql.check_expr(text)
    return text.strip()


def _template(text: str) -> str:
    try:
        check_template(text)
    except TemplateError as error:
        raise ValueError(f"the template does not parse: {error}") from error
    return text


def _label_name(name: str) -> str:
    if not name:
        raise rejected("bad-label", "a label has no name", "name it")
    if name in RESERVED_LABELS:
        raise rejected("bad-label", "rules do not set this label: Prometheus does", "remove it or rename it")
    return name


def _annotation_name(name: str) -> str:
    if not name:
        raise rejected("bad-label", "an annotation has no name", "name it")
    return name


def _filled(text: str) -> str:
    if not text.strip():
        raise ValueError("this is empty")
    return text


Name = Annotated[str, checked("missing-field", "give it a name", _filled)]
Expr = Annotated[str, checked("bad-expr", _EXPR_REMEDY, _expr)]
Template = Annotated[str, checked("bad-template", _TEMPLATE_REMEDY, _template)]
LabelName = Annotated[str, AfterValidator(_label_name)]
AnnotationName = Annotated[str, AfterValidator(_annotation_name)]
Labels = Annotated[dict[LabelName, Template], BeforeValidator(without_empty)]
Annotations = Annotated[dict[AnnotationName, Template], BeforeValidator(without_empty)]


class RuleDefinition(Definition):
    """A rule: alerting with ``alert``, recording with ``record``."""

    alert: Name | None = None
    record: Name | None = None
    expr: Expr
    for_: Seconds = Field(default=0.0, alias="for")
    keep_firing_for: Seconds = 0.0
    labels: Labels = Field(default_factory=dict)
    annotations: Annotations = Field(default_factory=dict)


class GroupDefinition(Definition):
    """A group of rules."""

    name: Name
    interval: Seconds = 0.0
    query_offset: Seconds = 0.0
    limit: int = Field(default=0, ge=0)
    labels: Annotated[dict[LabelName, str], BeforeValidator(without_empty)] = Field(default_factory=dict)
    rules: list[RuleDefinition] = Field(default_factory=list)


class RuleFile(Definition):
    """A rule file."""

    groups: list[GroupDefinition] = Field(default_factory=list)


def of_recording_rule(value: Mapping[str, object]) -> list[str]:
    """The keys of a recording rule that only an alerting rule may have."""
    return [key for key in ("for", "keep_firing_for", "annotations") if value.get(key) is not None]
