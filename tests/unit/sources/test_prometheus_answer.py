from __future__ import annotations

import json
import math
from typing import Any

import pytest

from shopwatch_engine.exceptions import SourceError
from shopwatch_engine.model import LabelSet, Sample
from shopwatch_engine.sources.prometheus_answer import exemplars, samples

JSON = "application/json"


def success(data: Any, **more: Any) -> bytes:
    return json.dumps({"status": "success", "data": data, **more}).encode()


def vector(*result: Any, **more: Any) -> bytes:
    return success({"resultType": "vector", "result": list(result)}, **more)


def refused(kind: str, text: str) -> bytes:
    return json.dumps({"status": "error", "errorType": kind, "error": text}).encode()


ONE = {"metric": {"__name__": "up", "job": "shop"}, "value": [1.5, "1"]}
UP = Sample(labels=LabelSet.of({"__name__": "up", "job": "shop"}), value=1.0)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(vector(), (), id="empty"),
        pytest.param(vector(ONE), (UP,), id="vector"),
        pytest.param(
            success({"resultType": "scalar", "result": [1.5, "4"]}),
            (Sample(labels=LabelSet(), value=4.0),),
            id="scalar",
        ),
        pytest.param(vector(ONE, infos=["PromQL info: not a counter"]), (UP,), id="infos"),
        pytest.param(vector(ONE, warnings=[]), (UP,), id="no-warnings"),
        pytest.param(vector(ONE, warnings=["PromQL warning: quantile"]), (UP,), id="of-the-expression"),
    ],
)
def test_what_is_read(body: bytes, expected: tuple[Sample, ...]) -> None:
    assert samples(200, JSON, body) == expected


@pytest.mark.parametrize(
    ("text", "value"),
    [("+Inf", math.inf), ("-Inf", -math.inf), ("1e-7", 1e-7), ("0", 0.0), ("NaN", math.nan)],
)
def test_every_number_that_prometheus_writes(text: str, value: float) -> None:
    (sample,) = samples(200, JSON, vector({"metric": {}, "value": [1, text]}))
    assert sample.value == value or (math.isnan(sample.value) and math.isnan(value))


@pytest.mark.parametrize(
    ("status", "kind", "body", "culprit", "said"),
    [
        pytest.param(
            400, JSON, refused("bad_data", "parse error"), True, "bad_data.*parse error", id="bad_data"
        ),
        pytest.param(422, JSON, refused("execution", "many-to-many"), True, "many-to-many", id="execution"),
        pytest.param(
            503, JSON, refused("timeout", "query timed out"), True, "query timed out", id="slow-query"
        ),
        pytest.param(503, JSON, refused("canceled", "shutting down"), False, "shutting down", id="canceled"),
        pytest.param(500, JSON, refused("internal", "disk"), False, "internal.*disk", id="internal"),
        pytest.param(200, JSON, refused("internal", "odd"), False, "odd", id="error-with-200"),
        pytest.param(429, JSON, b'{"message": "slow down"}', False, "limits how much", id="429"),
        pytest.param(401, "text/plain", b"Unauthorized", False, "credentials are missing", id="401"),
        pytest.param(403, "text/html", b"<html>", False, "do not allow", id="403"),
        pytest.param(404, "text/plain", b"404 page not found", False, "path prefix", id="404"),
        pytest.param(405, "text/plain", b"", False, "POST", id="405"),
        pytest.param(413, "text/html", b"<html>", True, "too long", id="413"),
        pytest.param(413, JSON, b"{}", True, "too long", id="413-json"),
        pytest.param(502, "text/html", b"<html>bad gateway</html>", False, "HTTP 502", id="502"),
        pytest.param(503, JSON, vector(ONE), False, "HTTP 503", id="success-with-503"),
        pytest.param(200, "text/html", b"<!doctype html><title>Login", False, "HTML page", id="html"),
        pytest.param(200, JSON, b"  <html>", False, "HTML page", id="html-called-json"),
        pytest.param(200, JSON, vector(ONE)[:-9], False, "not whole JSON", id="half"),
        pytest.param(200, JSON, b"", False, "empty answer", id="empty"),
        pytest.param(200, JSON, b"\xff\xfe\x00", False, "not whole JSON", id="bytes"),
        pytest.param(200, JSON, b"[" * 100_000, False, "not whole JSON", id="deep"),
        pytest.param(200, JSON, b"[]", False, "not Prometheus'", id="list"),
        pytest.param(200, JSON, b"{}", False, "HTTP 200", id="no-status"),
        pytest.param(200, JSON, b'{"status": "success"}', False, "no data", id="no-data"),
        pytest.param(200, JSON, success(None), False, "unknown shape", id="null-data"),
        pytest.param(200, JSON, success({"resultType": "vector"}), False, "unknown shape", id="no-result"),
        pytest.param(200, JSON, vector({"metric": {}}), False, "unknown shape", id="no-value"),
        pytest.param(
            200, JSON, vector({"metric": {}, "value": [1, "x"]}), False, "unknown shape", id="no-number"
        ),
        pytest.param(200, JSON, vector(7), False, "unknown shape", id="no-sample"),
        pytest.param(
            200, JSON, vector(ONE, warnings=["store gone"]), False, "in part.*store gone", id="partial"
        ),
        pytest.param(
            200,
            JSON,
            vector({"metric": {}, "histogram": [1, {}]}),
            True,
            "histogram_quantile",
            id="histogram",
        ),
        pytest.param(
            200, JSON, success({"resultType": "matrix", "result": []}), True, "answers a matrix", id="matrix"
        ),
        pytest.param(
            200,
            JSON,
            success({"resultType": "string", "result": [1, "x"]}),
            True,
            "answers a string",
            id="string",
        ),
    ],
)
def test_what_is_an_error_and_whose(status: int, kind: str, body: bytes, culprit: bool, said: str) -> None:  # noqa: FBT001 - a table's column
    with pytest.raises(SourceError, match=said) as raised:
        samples(status, kind, body)
    assert raised.value.culprit is culprit


def test_a_long_error_is_cut() -> None:
    with pytest.raises(SourceError) as raised:
        samples(400, JSON, refused("bad_data", "x" * 100_000))
    assert len(raised.value.reason) < 500


def test_exemplars_are_newest_first_and_have_a_trace() -> None:
    found = [
        {"labels": {"trace_id": "A" * 32}, "value": "0.5", "timestamp": 10.0},
        {"labels": {"traceID": "b" * 16}, "value": "0.7", "timestamp": 30.5},
        {"labels": {"trace_id": "not hexadecimal"}, "value": "1", "timestamp": 40},
        {"labels": {"user": "7"}, "value": "1", "timestamp": 50},
    ]
    body = success([{"seriesLabels": {"__name__": "x_bucket", "le": "1"}, "exemplars": found}])
    first, second = exemplars(200, JSON, body)
    assert (first.trace_id, first.value, first.at) == ("0" * 16 + "b" * 16, 0.7, 30.5)
    assert (second.trace_id, second.labels.get("le")) == ("a" * 32, "1")


@pytest.mark.parametrize(
    "data",
    [
        {"a": 1},
        [1],
        [{"seriesLabels": {}}],
        [{"seriesLabels": {}, "exemplars": [{"labels": {"trace_id": "a" * 32}}]}],
    ],
    ids=["object", "number", "none", "bare"],
)
def test_odd_exemplars_are_an_error(data: Any) -> None:
    with pytest.raises(SourceError, match="exemplars have an unknown shape"):
        exemplars(200, JSON, success(data))
