"""OTLP over HTTP, decoded: protobuf and JSON for traces and logs. Pure: bytes in, messages out.

OTLP's JSON is protobuf's, except that trace and span ids are hexadecimal where protobuf says base64.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

# protobuf's own packages publish no type information
from google.protobuf import json_format  # type: ignore[import-untyped]
from google.protobuf.message import DecodeError, Message  # type: ignore[import-untyped]
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)


class Encoding(Enum):
    """How a message is written; the value is its content type."""

    PROTOBUF = "application/x-protobuf"
    JSON = "application/json"


class NotOtlp(Exception):  # noqa: N818 - reads as the state it reports
    """The bytes are not the OTLP message that they should be; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _IdPath:
    """Where ids stand in OTLP's JSON: lists of objects on the way down, then the fields."""

    lists: tuple[tuple[str, str], ...]  # each list's name in camel case and in snake case
    fields: tuple[tuple[str, str], ...]


_TRACE_ID: Final = ("traceId", "trace_id")
_SPAN_ID: Final = ("spanId", "span_id")
_PARENT_ID: Final = ("parentSpanId", "parent_span_id")
_RESOURCE_SPANS: Final = (
    ("resourceSpans", "resource_spans"),
    ("scopeSpans", "scope_spans"),
    ("spans", "spans"),
)
_SPAN_IDS: Final = (
    _IdPath(lists=_RESOURCE_SPANS, fields=(_TRACE_ID, _SPAN_ID, _PARENT_ID)),
    _IdPath(lists=(*_RESOURCE_SPANS, ("links", "links")), fields=(_TRACE_ID, _SPAN_ID)),
)
_LOG_IDS: Final = (
    _IdPath(
        lists=(("resourceLogs", "resource_logs"), ("scopeLogs", "scope_logs"), ("logRecords", "log_records")),
        fields=(_TRACE_ID, _SPAN_ID),
    ),
)


def traces_request(body: bytes, encoding: Encoding) -> ExportTraceServiceRequest:
    """The spans that a body holds.

    Raises:
        NotOtlp: it is not an ExportTraceServiceRequest in this encoding.
    """
    request = ExportTraceServiceRequest()
    _decode(body, encoding, request, _SPAN_IDS)
    return request


def logs_request(body: bytes, encoding: Encoding) -> ExportLogsServiceRequest:
    """The log records that a body holds.

    Raises:
        NotOtlp: it is not an ExportLogsServiceRequest in this encoding.
    """
    request = ExportLogsServiceRequest()
    _decode(body, encoding, request, _LOG_IDS)
    return request


def traces_answer(encoding: Encoding, *, rejected: int = 0, reason: str = "") -> bytes:
    """The answer to taken spans; ``rejected`` says how many of them were not."""
    answer = ExportTraceServiceResponse()
    if rejected:
        answer.partial_success.rejected_spans = rejected
        answer.partial_success.error_message = reason
    return _encode(answer, encoding)


def logs_answer(encoding: Encoding) -> bytes:
    """The answer to taken log records; none is ever rejected."""
    return _encode(ExportLogsServiceResponse(), encoding)


def status_answer(encoding: Encoding, *, code: int, message: str) -> bytes:
    """An error as OTLP says it: google.rpc.Status, ``code`` being gRPC's."""
    return _encode(Status(code=code, message=message), encoding)


def _encode(message: Message, encoding: Encoding) -> bytes:
    if encoding is Encoding.PROTOBUF:
        return bytes(message.SerializeToString())
    return str(json_format.MessageToJson(message, indent=None)).encode()


def _decode(body: bytes, encoding: Encoding, into: Message, ids: tuple[_IdPath, ...]) -> None:
    try:
        if encoding is Encoding.PROTOBUF:
            into.ParseFromString(body)
            return
        document = json.loads(body)
        if not isinstance(document, dict):
            raise NotOtlp(f"the JSON is no object but a {type(document).__name__}")
        for path in ids:
            _hex_to_base64(document, path)
        json_format.ParseDict(document, into, ignore_unknown_fields=True)
    except DecodeError as error:
        raise NotOtlp("the body is not the protobuf message that belongs here") from error
    except RecursionError as error:
        raise NotOtlp("the JSON is nested too deeply") from error
    # json_format raises these, besides its own, on values of types that it does not expect.
    except (json_format.ParseError, ValueError, TypeError, AttributeError, KeyError) as error:
        raise NotOtlp(f"the body is not OTLP's JSON: {_reason(error)}") from error


def _hex_to_base64(document: Mapping[str, Any], path: _IdPath) -> None:
    for holder in _objects(document, path.lists):
        for names in path.fields:
            for name in names:
                value = holder.get(name)
                if isinstance(value, str):
                    holder[name] = base64.b64encode(bytes.fromhex(value)).decode()


def _objects(document: object, lists: tuple[tuple[str, str], ...]) -> Iterator[dict[str, Any]]:
    """Every object at the end of the path; whatever has another shape is left to the parser."""
    if not isinstance(document, dict):
        return
    if not lists:
        yield document
        return
    for name in dict.fromkeys(lists[0]):
        members = document.get(name)
        for member in members if isinstance(members, list) else ():
            yield from _objects(member, lists[1:])


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:200].encode("utf-8", "replace").decode()
