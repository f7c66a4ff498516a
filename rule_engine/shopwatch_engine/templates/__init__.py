"""Go templates as Prometheus and Alertmanager expand them. The only module that knows gotpl.

Two kinds: those of rules (labels and annotations; ``$labels``, ``$value``) and those of the routing file
(``.Status``, ``.Alerts``, ``.GroupLabels``, ...). Both run in gotpl's sandbox, reach nothing but the data
given here, and are bounded in output, in memory and in steps, so that none can hang the engine.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from contextvars import ContextVar
from functools import lru_cache, wraps
from typing import Final, TypeVar

import gotpl
from gotpl.compile.compiler import compile_template
from gotpl.compile.instructions import CallTarget, OpCode, Program
from gotpl.parse.parser import parse_template
from gotpl.runtime import sync_vm
from gotpl.runtime.callables import PreparedFunctionRegistry
from gotpl.runtime.gofmt import sprintf

from shopwatch_engine.exceptions import TemplateError
from shopwatch_engine.model import LabelSet, Notification
from shopwatch_engine.model.labels import NO_LABELS
from shopwatch_engine.templates import functions
from shopwatch_engine.templates.data import GoStruct, alert_data, notification_data
from shopwatch_engine.templates.defaults import DEFAULT_TEMPLATES

_Made = TypeVar("_Made")
_PRELUDE: Final = (
    "{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}"
    "{{$externalURL := .ExternalURL}}{{$value := .Value}}"
)
_MOST_STEPS: Final = 2_000_000  # about a second
_MOST_ITERATIONS: Final = 10_000
_MOST_CALLS: Final = 20_000
_MOST_DEPTH: Final = 20
_MOST_WORK: Final = 1_000_000  # characters that go into functions; those of expressions count tenfold
_HARD_WORK: Final = frozenset({"match", "reReplaceAll"})
_WORK_LEFT: Final[ContextVar[list[int]]] = ContextVar("work_left")
_WIDEST: Final = 1_000  # printf's width and precision; Go's own limit is a million
_SHOWN: Final = 60

_RULE_FUNCTIONS: Final[Mapping[str, Callable[..., object]]] = {
    "args": functions.arguments,
    "graphLink": functions.graph_link,
    "humanize": functions.humanize,
    "humanize1024": functions.humanize1024,
    "humanizeDuration": functions.humanize_duration,
    "humanizePercentage": functions.humanize_percentage,
    "humanizeTimestamp": functions.humanize_timestamp,
    "match": functions.match,
    "parseDuration": functions.parse_duration_seconds,
    "reReplaceAll": functions.re_replace_all,
    "safeHtml": functions.same,
    "stripDomain": functions.strip_domain,
    "stripPort": functions.strip_port,
    "tableLink": functions.table_link,
    "title": functions.title,
    "toLower": functions.to_lower,
    "toUpper": functions.to_upper,
    "urlQueryEscape": functions.url_escape,
}
NOT_EVALUATED: Final = frozenset(
    ("first", "label", "now", "query", "sortByLabel", "strvalue", "tmpl", "toDuration", "toTime", "value")
)
"""Prometheus' functions that need a query or a clock: a template with one parses, but does not expand."""

_NOTIFICATION_FUNCTIONS: Final[Mapping[str, Callable[..., object]]] = {
    "humanizeDuration": functions.humanize_duration,
    "join": functions.join,
    "match": functions.match,
    "reReplaceAll": functions.re_replace_all,
    "safeHtml": functions.same,
    "safeUrl": functions.same,
    "stringSlice": functions.string_slice,
    "title": functions.title_only,
    "toLower": functions.to_lower,
    "toUpper": functions.to_upper,
    "trimSpace": functions.trim_space,
    "urlUnescape": functions.url_unescape,
}


def expand(
    text: str,
    *,
    labels: LabelSet,
    value: float,
    external_url: str = "",
    external_labels: LabelSet = NO_LABELS,
) -> str:
    """A rule's label or annotation with its template filled in; a label that is not there is "".

    Raises:
        TemplateError: it does not parse, does not render, or would grow too large.
    """
    if "{{" not in text:
        return text
    data = alert_data(labels, value, external_url=external_url, external_labels=external_labels)
    return _rendered(text, lambda: _rule_template(text, external_url), data)


def expand_notification(text: str, notification: Notification) -> str:
    """A text of the routing file with its template filled in from what a page says.

    Raises:
        TemplateError: it does not parse, does not render, or would grow too large.
    """
    if "{{" not in text:
        return text
    return _rendered(text, lambda: _notification_template(text), notification_data(notification))


def check_template(text: str) -> None:
    """Make sure that a rule's label or annotation parses.

    Raises:
        TemplateError: it does not; the message says where and why.
    """
    if "{{" in text:
        _guarded(text, 1 + len(_PRELUDE), lambda: _rule_template(text, ""))


def check_notification_template(text: str) -> None:
    """Make sure that a text of the routing file parses.

    Raises:
        TemplateError: it does not; the message says where and why.
    """
    if "{{" in text:
        _guarded(text, 1, lambda: _notification_template(text))


def functions_not_evaluated(text: str) -> frozenset[str]:
    """Those functions of Prometheus that a template calls and that this engine does not evaluate yet."""
    if "{{" not in text:
        return frozenset()
    actions = " ".join(
        re.findall(r"\{\{(.*?)\}\}", re.sub(r'"(?:[^"\\]|\\.)*"|`[^`]*`', "", text), re.DOTALL)
    )
    return NOT_EVALUATED & frozenset(re.findall(r"(?<![.$\w])[A-Za-z]\w*", actions))


# ---------------------------------------------------------------- compile, render
@lru_cache(maxsize=4096)
def _rule_template(text: str, external_url: str) -> gotpl.Template:
    return _compiled(_PRELUDE + text, _rule_functions(external_url))


@lru_cache(maxsize=1024)
def _notification_template(text: str) -> gotpl.Template:
    source = text + DEFAULT_TEMPLATES if re.search(r"\{\{-?\s*template\b", text) else text
    return _compiled(source, _notification_functions())


@lru_cache(maxsize=8)
def _rule_functions(external_url: str) -> PreparedFunctionRegistry:
    known: dict[str, Callable[..., object]] = {name: functions.not_evaluated(name) for name in NOT_EVALUATED}
    known["externalURL"] = lambda: external_url
    known["pathPrefix"] = lambda: functions.path_of(external_url)
    return _registry({**known, **_RULE_FUNCTIONS})


@lru_cache(maxsize=1)
def _notification_functions() -> PreparedFunctionRegistry:
    return _registry(_NOTIFICATION_FUNCTIONS)


def _registry(own: Mapping[str, Callable[..., object]]) -> PreparedFunctionRegistry:
    """The functions with Go's own, their signatures read once; each text they make is limited."""
    builtins = sync_vm._builtin_functions("go")  # noqa: SLF001 - gotpl has no other way to them; it is pinned
    made = {name: builtins[name] for name in ("html", "js", "print", "println", "urlquery")}
    at_most, below = builtins["le"], builtins["lt"]
    every = {
        **made,
        "printf": _printf,
        "gt": lambda left, right: not at_most(left, right),  # as Go has it: true for NaN
        "ge": lambda left, right: not below(left, right),
        **own,
    }
    return PreparedFunctionRegistry({name: _bounded(name, one) for name, one in every.items()})


def _compiled(source: str, known: PreparedFunctionRegistry) -> gotpl.Template:
    if len(source) > functions.MOST_TEXT:
        raise ValueError(f"it is longer than {functions.MOST_TEXT} characters")
    budget = gotpl.ExecutionBudget(
        max_output_chars=functions.MOST_TEXT,
        max_iterations=min(_MOST_ITERATIONS, _MOST_STEPS // _most_steps(source, known)),
        max_template_depth=_MOST_DEPTH,
        max_function_calls=_MOST_CALLS,
    )
    sandbox = gotpl.SandboxPolicy(allow_functions=known, allow_custom_lookup=True, default_budget=budget)
    return gotpl.Template(source, functions=known, missing_key="zero", sandbox=sandbox)


def _most_steps(source: str, known: Collection[str]) -> int:
    """How many instructions a template runs at most when each loop runs once.

    Raises:
        ValueError: a template calls itself, or the calls multiply beyond what is allowed.
    """
    if re.search(r"\b(?:template|block)\b", source):
        return _steps(compile_template(parse_template(source, functions=known), source=source))
    return 10 * (1 + source.count("{{"))  # no action compiles to more; saves parsing a second time


def _steps(program: Program) -> int:
    named = {definition.name: definition for definition in program.definitions}
    known: dict[str, int] = {}

    def count(instructions: Program, above: tuple[str, ...]) -> int:
        total = 1 + len(instructions.instructions)
        for name in _calls(instructions):
            if name in above:
                raise ValueError(f"the template {name!r} calls itself")
            if name in named and name not in known:
                known[name] = count(named[name], (*above, name))
            total += known.get(name, 0)
        return total

    steps = count(program, ())
    if steps * 100 > _MOST_STEPS:
        raise ValueError(f"it takes {steps} steps: expected at most {_MOST_STEPS // 100}")
    return steps


def _calls(program: Program) -> list[str]:
    return [
        one.argument.name
        for one in program.instructions
        if one.opcode is OpCode.CALL_TEMPLATE and isinstance(one.argument, CallTarget)
    ]


def _rendered(text: str, template: Callable[[], gotpl.Template], data: GoStruct) -> str:
    first_column = 1 + (len(_PRELUDE) if "Value" in data else 0)
    left = _WORK_LEFT.set([_MOST_WORK])
    try:
        return _guarded(text, first_column, lambda: str(template().render(data)))
    finally:
        _WORK_LEFT.reset(left)


def _guarded(text: str, first_column: int, act: Callable[[], _Made]) -> _Made:
    try:
        return act()
    except gotpl.TemplateError as error:
        raise TemplateError(f"{_shown(text)}: {_reason(error, first_column)}") from error
    except RecursionError as error:
        raise TemplateError(f"{_shown(text)}: it is nested too deeply") from error
    except Exception as error:  # whatever gotpl stumbles over, one template must not end a pass
        raise TemplateError(f"{_shown(text)}: {error}") from error


def _reason(error: gotpl.TemplateError, first_column: int) -> str:
    """What gotpl says, its position counted in the text as written."""
    if isinstance(error, gotpl.TemplateSyntaxError):
        line, column = error.line, error.column
        said = str(error).removeprefix(f"template:{line}:{column}: ")
    elif isinstance(error, gotpl.TemplateExecutionError) and error.line and error.column:
        line, column, said = error.line, error.column, error.message
    else:
        return str(error)
    return f"line {line}, column {column - first_column + 1 if line == 1 else column}: {said}"


def _shown(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "…")


# ---------------------------------------------------------------- functions within bounds
def _bounded(name: str, function: Callable[..., object]) -> Callable[..., object]:
    """The function, refused when it has too much to do, or makes too long a text."""
    weight = 10 if name in _HARD_WORK else 1

    @wraps(function)
    def bounded(*values: object) -> object:
        left = _WORK_LEFT.get()
        left[0] -= weight * (10 + sum(len(one) for one in values if isinstance(one, str)))
        if left[0] < 0:
            raise ValueError(f"the template works on more than {_MOST_WORK} characters")
        made = function(*values)
        return functions.limited(made) if isinstance(made, str) else made

    return bounded


def _printf(layout: str, *values: object) -> str:
    """Go's ``printf``, refused before it makes a text that is too long."""
    numbers = re.findall(r"%[-+# 0]*(?:\[[0-9]*\])?([0-9]*)(?:\.([0-9]*))?", layout)
    widest = max((int(number[:9]) for pair in numbers for number in pair if number), default=0)
    if "*" in layout:
        widest = max(widest, *(abs(one) for one in values if isinstance(one, int)), 0)
    if widest > _WIDEST:
        raise ValueError(f"a width of {widest}: expected at most {_WIDEST}")
    longest = max((len(one) for one in values if isinstance(one, str)), default=0)
    if len(layout) + layout.count("%") * (longest + widest) > 2 * functions.MOST_TEXT:
        raise ValueError(f"it makes a text of more than {functions.MOST_TEXT} characters")
    return sprintf(layout, *values)
