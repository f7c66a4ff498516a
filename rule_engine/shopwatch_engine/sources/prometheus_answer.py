"""Reading what Prometheus' HTTP API answers. Pure: bytes in, values or a SourceError out.

Decided here:

- A scalar is a vector of one sample without labels, as it is to Prometheus' own ruler.
- ``warnings`` mean that an answer may be partial (Thanos, Mimir, remote read), so they are an error and
  the state is held. Those that begin with ``PromQL`` speak of the expression, not of missing data: the
  ruler evaluates on, and so do we. ``infos`` are always harmless.
- A native histogram is no number: a rule that answers one is at fault, loudly, rather than silent.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final, NoReturn

from shopwatch_engine.exceptions import SourceError
from shopwatch_engine.model import Exemplar, LabelSet, Sample

_TEXT_LIMIT: Final = 300
_SPLIT_HELPS: Final = frozenset({"bad_data", "execution", "timeout"})
"""Error types of one expression's making; a slow one, too, must not hold up those it is asked with."""
_TRACE_LABELS: Final = ("trace_id", "traceID", "TraceID", "traceId", "trace-id")
_TRACE_ID: Final = re.compile(r"[0-9a-fA-F]{16,32}")


def samples(status: int, content_type: str, body: bytes) -> tuple[Sample, ...]:
    """The instant vector of an answer of ``/api/v1/query``.

    Raises:
        SourceError: an error, not a vector, partial, or not Prometheus' answer at all.
    """
    data = _data(status, content_type, body)
    try:
        kind, result = data["resultType"], data["result"]
        if kind == "vector":
            return tuple(_sample(item) for item in result)
        if kind == "scalar":
            return (Sample(labels=LabelSet(), value=float(result[1])),)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise SourceError(f"Prometheus' answer has an unknown shape ({type(error).__name__})") from error
    raise SourceError(
        f"the expression answers a {_cut(str(kind))}, where an instant vector or a scalar is needed",
        culprit=True,
    )


def exemplars(status: int, content_type: str, body: bytes) -> tuple[Exemplar, ...]:
    """The exemplars with a trace id in an answer of ``/api/v1/query_exemplars``, newest first.

    Raises:
        SourceError: as for ``samples``.
    """
    series = _data(status, content_type, body)
    try:
        found = [
            Exemplar(labels=labels, trace_id=trace_id, value=float(one["value"]), at=float(one["timestamp"]))
            for item in series
            for labels in [LabelSet.of(item["seriesLabels"])]
            for one in item["exemplars"]
            if (trace_id := _trace_id(one["labels"]))
        ]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise SourceError(f"Prometheus' exemplars have an unknown shape ({type(error).__name__})") from error
    return tuple(sorted(found, key=lambda one: one.at, reverse=True))


def _sample(item: Mapping[str, Any]) -> Sample:
    if "value" not in item and "histogram" in item:
        raise SourceError(
            "the expression answers native histograms, which have no single value; use histogram_count, "
            "histogram_sum, histogram_avg or histogram_quantile",
            culprit=True,
        )
    return Sample(labels=LabelSet.of(item["metric"]), value=float(item["value"][1]))


def _trace_id(labels: Mapping[str, str]) -> str:
    for name in _TRACE_LABELS:
        value = labels.get(name, "")
        if _TRACE_ID.fullmatch(value):
            return value.lower().rjust(32, "0")
    return ""


def _data(status: int, content_type: str, body: bytes) -> Any:  # noqa: ANN401 - JSON, whose shape the callers check
    """What stands under ``data`` of a whole, successful answer."""
    answer = _json(status, content_type, body)
    if answer.get("status") != "success":
        _refused(status, answer)
    if status != 200:
        raise SourceError(f"Prometheus answered HTTP {status} with a success that cannot be trusted")
    partial = [str(text) for text in answer.get("warnings") or () if not str(text).startswith("PromQL")]
    if partial:
        raise SourceError(f"Prometheus answered in part: {_cut('; '.join(partial))}")
    if "data" not in answer:
        raise SourceError("Prometheus' answer has no data; is there another server at this address?")
    return answer["data"]


def _json(status: int, content_type: str, body: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError) as error:
        if status != 200:
            raise SourceError(f"HTTP {status}{_meaning(status)}", culprit=status == 413) from error
        raise SourceError(_not_json(content_type, body)) from error
    if not isinstance(answer, dict):
        raise SourceError(
            f"HTTP {status}: JSON, but not Prometheus'; is there another server at this address?"
        )
    return answer


def _refused(status: int, answer: Mapping[str, Any]) -> NoReturn:
    kind, text = str(answer.get("errorType", "")), str(answer.get("error", ""))
    if not (kind or text):
        raise SourceError(f"HTTP {status}{_meaning(status)}", culprit=status == 413)
    raise SourceError(
        f"Prometheus refused (HTTP {status}, {_cut(kind) or 'no error type'}): {_cut(text)}",
        culprit=kind in _SPLIT_HELPS or status == 413,
    )


def _not_json(content_type: str, body: bytes) -> str:
    if "html" in content_type or body.lstrip()[:1] == b"<":
        return "an HTML page where Prometheus' JSON was expected; is there a login page or another server?"
    if not body.strip():
        return "an empty answer where Prometheus' JSON was expected"
    return f"an answer of {len(body)} bytes that is not whole JSON; it was cut off, or is not Prometheus'"


def _meaning(status: int) -> str:
    return {
        401: ": the credentials are missing or wrong",
        403: ": the credentials do not allow it",
        404: ": no query API here; is a path prefix missing in the URL?",
        405: ": it takes no POST; is there a proxy that allows GET alone?",
        413: ": the query is too long for it",
        429: ": it limits how much may be asked",
    }.get(status, " from Prometheus or a proxy before it")


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _TEXT_LIMIT else f"{line[:_TEXT_LIMIT]}…"
