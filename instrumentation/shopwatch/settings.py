"""What the environment and the arguments of ``instrument`` say, as one frozen value.

A wrong value never raises: it becomes one line in ``Settings.problems`` (variable, value, what was
expected), and the default is used. The only module that reads ``os.environ``. Certificates, headers and
compression of the exporters are left to OpenTelemetry's exporters, which read them from the process'
environment themselves, so that no secret passes through here.
"""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote, urlsplit

from shopwatch import catalogue
from shopwatch.version import __version__

TRACKS: Final = ("stable", "canary", "blue", "green")
SAMPLERS: Final = (
    "always_on",
    "always_off",
    "traceidratio",
    "parentbased_always_on",
    "parentbased_always_off",
    "parentbased_traceidratio",
)
HTTP_PROTOBUF: Final = "http/protobuf"
GRPC: Final = "grpc"
DEFAULT_SERVICE: Final = "unknown_service"
DEFAULT_MAX_SERIES: Final = 2_000
_DEFAULT_ENDPOINTS: Final = {HTTP_PROTOBUF: "http://localhost:4318", GRPC: "http://localhost:4317"}
_CREDENTIALS: Final = re.compile(r"//[^/@\s]*@")


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """How one signal leaves the process.

    ``queue`` and ``batch`` count items, ``delay_s`` is the longest wait before a batch goes out,
    ``timeout_s`` the time that one attempt to export may take, its retries included.
    """

    enabled: bool
    protocol: str
    endpoint: str = field(repr=False)  # may hold credentials
    queue: int
    batch: int
    delay_s: float
    timeout_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that can be set; made by ``read``."""

    service: str
    version: str
    environment: str
    track: str
    instance: str
    resource: Mapping[str, str]
    """Every resource attribute, the five above among them."""
    traces: Export
    logs: Export
    sampler: str
    sample_ratio: float
    max_series: int
    problems: tuple[str, ...]


class _Reader:
    """Reads single values and keeps what was wrong with them."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.problems: list[str] = []

    def text(self, name: str) -> str:
        return self._environ.get(name, "").strip()

    def choice(self, name: str, expected: tuple[str, ...], default: str) -> str:
        value = self.text(name).lower()
        if value in expected:
            return value
        if value:
            self.wrong(name, value, f"one of {', '.join(expected)}", default)
        return default

    def number(self, name: str, default: float, *, low: float, high: float = 1e9) -> float:
        value = self.text(name)
        try:
            number = float(value) if value else default
        except ValueError:
            number = float("nan")
        if low <= number <= high:
            return number
        self.wrong(name, value, f"a number from {low:g} to {high:g}", f"{default:g}")
        return default

    def endpoint(self, name: str) -> str:
        value = self.text(name)
        if not value or _is_url(value):
            return value
        self.wrong(name, _CREDENTIALS.sub("//***@", value), "a URL such as http://collector:4318", "default")
        return ""

    def wrong(self, name: str, value: str, expected: str, default: str) -> None:
        self.problems.append(f"{name}={value!r} is not usable: expected {expected}; using {default}")


def _is_url(value: str) -> bool:
    try:
        parts = urlsplit(value)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, brackets that do not close
        return False


def read(
    environ: Mapping[str, str] | None = None,
    *,
    service: str | None = None,
    version: str | None = None,
    environment: str | None = None,
    track: str | None = None,
    instance: Callable[[], str] = lambda: str(uuid.uuid4()),
) -> Settings:
    """The settings of this process; arguments win over the environment.

    Args:
        environ: the variables; ``os.environ`` when None.
        service: ``service.name``, else ``OTEL_SERVICE_NAME``, else ``OTEL_RESOURCE_ATTRIBUTES``.
        version: ``service.version``.
        environment: ``deployment.environment.name``.
        track: the release track, one of ``TRACKS``, else ``SHOPWATCH_TRACK``.
        instance: makes ``service.instance.id`` when none is given.
    """
    reader = _Reader(os.environ if environ is None else environ)
    attributes = _resource_attributes(reader)
    resource = {
        **attributes,
        catalogue.SERVICE_NAME: service
        or reader.text("OTEL_SERVICE_NAME")
        or attributes.get(catalogue.SERVICE_NAME, DEFAULT_SERVICE),
        catalogue.SERVICE_VERSION: version or attributes.get(catalogue.SERVICE_VERSION, ""),
        catalogue.DEPLOYMENT_ENVIRONMENT: environment or attributes.get(catalogue.DEPLOYMENT_ENVIRONMENT, ""),
        catalogue.SERVICE_INSTANCE_ID: attributes.get(catalogue.SERVICE_INSTANCE_ID) or instance(),
        catalogue.TRACK: _track(reader, track),
        catalogue.TELEMETRY_SDK_LANGUAGE: "python",
        catalogue.TELEMETRY_SDK_NAME: catalogue.SCOPE,
        catalogue.TELEMETRY_SDK_VERSION: __version__,
    }
    disabled = reader.text("OTEL_SDK_DISABLED").lower() == "true"
    return Settings(
        service=resource[catalogue.SERVICE_NAME],
        version=resource[catalogue.SERVICE_VERSION],
        environment=resource[catalogue.DEPLOYMENT_ENVIRONMENT],
        track=resource[catalogue.TRACK],
        instance=resource[catalogue.SERVICE_INSTANCE_ID],
        resource={name: value for name, value in resource.items() if value},
        traces=_export(reader, "TRACES", limits="OTEL_BSP", delay_ms=5_000, disabled=disabled),
        logs=_export(reader, "LOGS", limits="OTEL_BLRP", delay_ms=1_000, disabled=disabled),
        sampler=reader.choice("OTEL_TRACES_SAMPLER", SAMPLERS, "parentbased_always_on"),
        sample_ratio=reader.number("OTEL_TRACES_SAMPLER_ARG", 1.0, low=0, high=1),
        max_series=int(reader.number("SHOPWATCH_MAX_SERIES", DEFAULT_MAX_SERIES, low=1)),
        problems=tuple(reader.problems),
    )


def _track(reader: _Reader, argument: str | None) -> str:
    if argument is None:
        return reader.choice("SHOPWATCH_TRACK", TRACKS, TRACKS[0])
    if argument in TRACKS:
        return argument
    reader.wrong("track", argument, f"one of {', '.join(TRACKS)}", TRACKS[0])
    return TRACKS[0]


def _resource_attributes(reader: _Reader) -> dict[str, str]:
    """``key=value`` pairs, comma-separated, values percent-encoded."""
    name = "OTEL_RESOURCE_ATTRIBUTES"
    attributes: dict[str, str] = {}
    for pair in filter(None, (part.strip() for part in reader.text(name).split(","))):
        key, equals, value = pair.partition("=")
        if not equals or not key.strip():
            reader.wrong(name, pair, "key=value pairs with commas between", "the other pairs")
            continue
        attributes[key.strip()] = unquote(value.strip())
    return attributes


def _export(reader: _Reader, signal: str, *, limits: str, delay_ms: int, disabled: bool) -> Export:
    exporter = reader.choice(f"OTEL_{signal}_EXPORTER", ("otlp", "none"), "otlp")
    protocol = _protocol(reader, signal)
    queue = int(reader.number(f"{limits}_MAX_QUEUE_SIZE", 2_048, low=1))
    batch = int(reader.number(f"{limits}_MAX_EXPORT_BATCH_SIZE", 512, low=1))
    timeout_s = reader.number("OTEL_EXPORTER_OTLP_TIMEOUT", 10, low=0.001)
    return Export(
        enabled=exporter == "otlp" and not disabled,
        protocol=protocol,
        endpoint=_endpoint(reader, signal, protocol),
        queue=queue,
        batch=min(batch, queue),
        delay_s=reader.number(f"{limits}_SCHEDULE_DELAY", delay_ms, low=1) / 1_000,
        timeout_s=reader.number(f"OTEL_EXPORTER_OTLP_{signal}_TIMEOUT", timeout_s, low=0.001),
    )


def _protocol(reader: _Reader, signal: str) -> str:
    known = (HTTP_PROTOBUF, GRPC)
    shared = reader.choice("OTEL_EXPORTER_OTLP_PROTOCOL", known, HTTP_PROTOBUF)
    return reader.choice(f"OTEL_EXPORTER_OTLP_{signal}_PROTOCOL", known, shared)


def _endpoint(reader: _Reader, signal: str, protocol: str) -> str:
    """The signal's own address as it stands, else the shared one with the signal's path."""
    own = reader.endpoint(f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT")
    if own:
        return own
    base = reader.endpoint("OTEL_EXPORTER_OTLP_ENDPOINT") or _DEFAULT_ENDPOINTS[protocol]
    return base if protocol == GRPC else f"{base.rstrip('/')}/v1/{signal.lower()}"
