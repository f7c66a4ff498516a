"""From a document to typed values: pydantic's models, and its errors as findings with their places.

Knows what is common to all definition files; what a key means stands in the models themselves.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Final, TypeVar, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError

from shopwatch_engine.definitions.document import Document, Steps
from shopwatch_engine.durations import parse_duration
from shopwatch_engine.model import Finding

_EXPECTED: Final = {
    "string_type": "a text",
    "list_type": "a list",
    "dict_type": "a map",
    "model_type": "a map",
    "model_attributes_type": "a map",
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "float_type": "a duration",
    "greater_than_equal": "zero or more",
}
_PLAIN: Final = frozenset(("int_parsing", "bool_parsing", "greater_than_equal"))
"""Errors in values that are no secrets, and so may be shown."""

Model = TypeVar("Model", bound="Definition")


class Definition(BaseModel):
    """A map of a definition file. A known key without a value is as good as left out."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _without_empty(cls, value: object) -> object:
        if not isinstance(value, dict):
            return value
        known = known_keys(cls)
        return {key: one for key, one in value.items() if one is not None or key not in known}


def without_empty(value: object) -> object:
    """A map less its keys without values; anything else as it is."""
    return {key: one for key, one in value.items() if one is not None} if isinstance(value, dict) else value


def rejected(code: str, reason: object, remedy: str) -> PydanticCustomError:
    """What a validator raises: becomes a finding of this code."""
    return PydanticCustomError(code, "{reason}", {"reason": str(reason), "remedy": remedy})


def checked(code: str, remedy: str, check: Callable[[str], object]) -> BeforeValidator:
    """A validator that turns a text by ``check``, whose ValueError becomes a finding of this code."""

    def turn(value: object) -> object:
        if not isinstance(value, str):
            return value
        try:
            return check(value)
        except ValueError as error:
            raise rejected(code, error, remedy) from error

    return BeforeValidator(turn)


_DURATION_REMEDY: Final = "write for example 5m"
Seconds = Annotated[
    float, checked("bad-duration", _DURATION_REMEDY, lambda text: parse_duration(text.strip()))
]
"""A duration in Prometheus' syntax, as seconds."""


def known_keys(model: type[BaseModel]) -> tuple[str, ...]:
    """The keys that a map of this model may have."""
    return tuple(one.alias or name for name, one in model.model_fields.items())


def validated(
    document: Document, model: type[Model], *, unsupported: Callable[[Steps], str]
) -> Model | tuple[Finding, ...]:
    """The document as a model, or what is wrong with it.

    Args:
        document: what was read.
        model: what it must be.
        unsupported: says of the path of an unknown key whose it is, when it is one that another
            program knows and this engine does not evaluate; "" of any other.
    """
    try:
        return model.model_validate({} if document.value is None else document.value)
    except ValidationError as error:
        details = error.errors(include_url=False)
        return tuple(_finding(document, model, one, unsupported) for one in details)


def nearest(name: str, known: Iterable[str]) -> str:
    """The known name that was probably meant; "" when none is like it."""
    return next(iter(difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)), "")


def subject(document: Document, path: Steps) -> str:
    """Whose value a path leads to, for a person: ``alert 'HighErrors': ``."""
    for length in range(len(path), 0, -1):
        value = document.at(path[:length])
        if not isinstance(value, dict):
            continue
        names = ("receiver",) if _is_route(path[:length]) else ("alert", "record", "name")
        found = next((name for name in names if isinstance(value.get(name), str)), None)
        if found is not None or names == ("receiver",):
            return "" if found is None else f"{_kind_of_name(found, path[:length])} {value[found]!r}: "
    return ""


def _is_route(path: Steps) -> bool:
    return path[-1] == "route" or (len(path) > 1 and path[-2] == "routes")


def _kind_of_name(name: str, path: Steps) -> str:
    """``name`` is a group's or a receiver's, as the list says that it stands in."""
    if name == "receiver":
        return "route to"
    return str(path[-2]).removesuffix("s") if name == "name" and len(path) > 1 else name


def _finding(
    document: Document, model: type[BaseModel], error: ErrorDetails, unsupported: Callable[[Steps], str]
) -> Finding:
    path = [step for step in error["loc"] if step != "[key]"]
    of_key = len(path) < len(error["loc"]) or error["type"] == "extra_forbidden"
    code, said, remedy = _said(model, error, path, unsupported)
    return Finding(
        code=code,
        position=document.position(path, of_key=of_key),
        message=f"{subject(document, path[:-1] if of_key else path)}{said}",
        remedy=remedy,
    )


def _said(
    model: type[BaseModel], error: ErrorDetails, path: Steps, unsupported: Callable[[Steps], str]
) -> tuple[str, str, str]:
    """Code, message and remedy of one of pydantic's errors."""
    key = next((str(step) for step in reversed(path) if isinstance(step, str)), "the file")
    key = key or "''"
    kind, context = error["type"], error.get("ctx", {})
    if "remedy" in context:
        return kind, f"{key}: {context['reason']}", str(context["remedy"])
    if kind == "extra_forbidden":
        return _unknown_key(key, known_keys(_model_at(model, path[:-1])), unsupported(path))
    if kind == "missing":
        return "missing-field", f"{key} is missing", f"add {key}"
    expected = _EXPECTED.get(kind, error["msg"])
    given = (
        repr(error["input"])
        if kind in _PLAIN and isinstance(error["input"], str)
        else _kind_of(error["input"])
    )
    return "wrong-type", f"{key} is {given}: expected {expected}", f"make it {expected}"


def _unknown_key(key: str, known: tuple[str, ...], owner: str) -> tuple[str, str, str]:
    if owner:
        return (
            "unsupported",
            f"{key} is a key of {owner} that this engine does not evaluate yet",
            "remove it, so that nobody counts on it",
        )
    close = nearest(key, known)
    remedy = f"did you mean {close}?" if close else f"known here: {', '.join(known)}"
    return "unknown-key", f"{key} is not a known key", remedy


def _kind_of(value: object) -> str:
    if isinstance(value, Mapping):
        return "a map"
    if isinstance(value, list):
        return "a list"
    return "empty" if value is None else "a text"


def _model_at(model: type[BaseModel], path: Steps) -> type[BaseModel]:
    """The model of the map at a path."""
    for step in path:
        if isinstance(step, int):
            continue
        fields = {one.alias or name: one for name, one in model.model_fields.items()}
        if step in fields:
            model = _inner_model(fields[step].annotation) or model
    return model


def _inner_model(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for one in get_args(annotation) if (found := _inner_model(one)) is not None), None)
