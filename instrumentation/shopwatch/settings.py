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
from pathlib import Path
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
CONSOLE: Final = "console"
TRACES: Final = "traces"
LOGS: Final = "logs"
LOG_LEVELS: Final = ("debug", "info", "warning", "error", "critical")
HOOK_NAMES: Final = (
    "requests",
    "httpx",
    "urllib3",
    "aiohttp",
    "sqlalchemy",
    "psycopg",
    "asyncpg",
    "redis",
    "pymemcache",
    "boto3",
    "grpc",
    "pika",
    "aio-pika",
    "structlog",
    "celery",
)
"""Libraries that can be watched; those with spans are extras of this distribution too."""
ALL_HOOKS: Final = "all"
NO_HOOKS: Final = "none"
DEFAULT_PROPAGATORS: Final = ("tracecontext", "baggage")
_DRAIN_S: Final = 5.0  # in Kubernetes: until its proxies have heard that a pod is not ready
DEFAULT_SERVICE: Final = "unknown_service"
DEFAULT_MAX_SERIES: Final = 2_000
_DEFAULT_ENDPOINTS: Final = {HTTP_PROTOBUF: "http://localhost:4318", GRPC: "http://localhost:4317"}
_POD_LABELS: Final = "/etc/podinfo/labels"  # where Kubernetes' own examples mount them
_POD_LABEL: Final = re.compile(r'([^=\s]+)="(.*)"')
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
class SpanLimits:
    """How much one span holds; ``value_length`` counts characters, None for no limit.

    OpenTelemetry specification, general SDK configuration: attribute limits and span limits.
    """

    attributes: int = 128
    events: int = 128
    links: int = 128
    event_attributes: int = 128
    link_attributes: int = 128
    value_length: int | None = None


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
    max_traces_per_s: float | None
    """How many traces a second a caller's sampled flag may have recorded; None for as many as it likes."""
    keep_errors: bool
    """Whether requests that fail are kept although their trace is not sampled."""
    keep_slower_s: float | None
    """From which duration requests are kept although their trace is not sampled; None for none."""
    span_limits: SpanLimits
    propagators: tuple[str, ...]
    max_series: int
    metrics_port: int | None
    metrics_address: str
    metrics_token: str = field(repr=False)
    multiproc_dir: str
    access_log: str
    log_level: str
    log_repeats: int
    """How many lines alike a minute may have before they are held back."""
    redact: tuple[str, ...]
    redact_fields: tuple[str, ...]
    health_timeout_s: float
    """How long a check of readiness may take."""
    health_ttl_s: float
    """How long what a check said holds."""
    drain_s: float
    """From SIGTERM, when readiness goes down, until the server begins to end."""
    runtime_metrics: bool
    hooks: tuple[str, ...]
    """Libraries that are watched once the service imports them; ``all`` or ``none``."""
    peers: Mapping[str, str]
    """Names of those who are called, by ``host`` or ``host:port``."""
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
        number = _number(value) if value else default
        if low <= number <= high:
            return number
        self.wrong(name, value, f"a number from {low:g} to {high:g}", f"{default:g}")
        return default

    def flag(self, name: str) -> bool:
        return self.choice(name, ("true", "false"), "false") == "true"

    def count(self, name: str, default: int) -> int:
        return int(self.number(name, default, low=0))

    def optional(self, name: str, *, low: float, high: float = 1e9) -> float | None:
        value = self.text(name)
        if not value:
            return None
        number = _number(value)
        if low <= number <= high:
            return number
        self.wrong(name, value, f"a number from {low:g} to {high:g}", "none")
        return None

    def names(self, name: str, default: tuple[str, ...]) -> tuple[str, ...]:
        found = tuple(part.strip() for part in self.text(name).split(",") if part.strip())
        return found or default

    def secret(self, name: str) -> str:
        """The variable's value, or what the file says that ``<name>_FILE`` names."""
        path = self.text(f"{name}_FILE")
        if self.text(name) or not path:
            return self.text(name)
        try:
            return Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            self.wrong(f"{name}_FILE", path, f"a file that can be read ({type(error).__name__})", "none")
            return ""

    def endpoint(self, name: str) -> str:
        value = self.text(name)
        if not value or _is_url(value):
            return value
        self.wrong(name, _CREDENTIALS.sub("//***@", value), "a URL such as http://collector:4318", "default")
        return ""

    def wrong(self, name: str, value: str, expected: str, default: str) -> None:
        self.problems.append(f"{name}={value!r} is not usable: expected {expected}; using {default}")


def _number(value: str) -> float:
    try:
        return float(value)
    except ValueError:
        return float("nan")


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
    peers: Mapping[str, str] | None = None,
    instance: Callable[[], str] = lambda: str(uuid.uuid4()),
) -> Settings:
    """The settings of this process; arguments win over the environment.

    Args:
        environ: the variables; ``os.environ`` when None.
        service: ``service.name``, else ``OTEL_SERVICE_NAME``, else ``OTEL_RESOURCE_ATTRIBUTES``.
        version: ``service.version``.
        environment: ``deployment.environment.name``.
        track: the release track, one of ``TRACKS``, else ``SHOPWATCH_TRACK``.
        peers: names of those who are called, by ``host`` or ``host:port``; added to ``SHOPWATCH_PEERS``.
        instance: makes ``service.instance.id`` when none is given.
    """
    reader = _Reader(os.environ if environ is None else environ)
    pod = _pod_labels(reader)
    attributes = {**_kubernetes(reader, pod), **_resource_attributes(reader)}
    resource = {
        **attributes,
        catalogue.SERVICE_NAME: service
        or reader.text("OTEL_SERVICE_NAME")
        or attributes.get(catalogue.SERVICE_NAME, DEFAULT_SERVICE),
        catalogue.SERVICE_VERSION: version or attributes.get(catalogue.SERVICE_VERSION, ""),
        catalogue.DEPLOYMENT_ENVIRONMENT: environment or attributes.get(catalogue.DEPLOYMENT_ENVIRONMENT, ""),
        catalogue.SERVICE_INSTANCE_ID: attributes.get(catalogue.SERVICE_INSTANCE_ID) or instance(),
        catalogue.TRACK: _track(reader, track, pod.get(catalogue.TRACK_LABEL, "")),
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
        max_traces_per_s=reader.optional("SHOPWATCH_MAX_TRACES_PER_SECOND", low=0.001),
        keep_errors=reader.flag("SHOPWATCH_KEEP_ERRORS"),
        keep_slower_s=_seconds(reader.optional("SHOPWATCH_KEEP_SLOWER_MS", low=1)),
        span_limits=_span_limits(reader),
        propagators=reader.names("OTEL_PROPAGATORS", DEFAULT_PROPAGATORS),
        max_series=int(reader.number("SHOPWATCH_MAX_SERIES", DEFAULT_MAX_SERIES, low=1)),
        metrics_port=_port(reader.optional("SHOPWATCH_METRICS_PORT", low=1, high=65_535)),
        metrics_address=reader.text("SHOPWATCH_METRICS_ADDRESS") or "127.0.0.1",
        metrics_token=reader.secret("SHOPWATCH_METRICS_TOKEN"),
        multiproc_dir=reader.text("SHOPWATCH_MULTIPROC_DIR") or reader.text("PROMETHEUS_MULTIPROC_DIR"),
        access_log=reader.choice("SHOPWATCH_ACCESS_LOG", ("all", "errors", "none"), "all"),
        log_level=reader.choice("SHOPWATCH_LOG_LEVEL", LOG_LEVELS, "info").upper(),
        log_repeats=int(reader.number("SHOPWATCH_LOG_REPEATS", 600, low=1)),
        redact=tuple(line for line in reader.text("SHOPWATCH_REDACT").splitlines() if line.strip()),
        redact_fields=reader.names("SHOPWATCH_REDACT_FIELDS", ()),
        health_timeout_s=reader.number("SHOPWATCH_HEALTH_TIMEOUT_MS", 1_000, low=1) / 1_000,
        health_ttl_s=reader.number("SHOPWATCH_HEALTH_TTL_MS", 1_000, low=0) / 1_000,
        drain_s=reader.number("SHOPWATCH_DRAIN_SECONDS", _DRAIN_S if _in_kubernetes(reader) else 0, low=0),
        runtime_metrics=reader.choice("SHOPWATCH_RUNTIME_METRICS", ("true", "false"), "true") == "true",
        hooks=_hooks(reader),
        peers=_pairs(reader, "SHOPWATCH_PEERS", "host=name or host:port=name pairs") | dict(peers or {}),
        problems=tuple(reader.problems),
    )


def _seconds(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1_000


def _port(number: float | None) -> int | None:
    return None if number is None else int(number)


def _span_limits(reader: _Reader) -> SpanLimits:
    shared = reader.count("OTEL_ATTRIBUTE_COUNT_LIMIT", 128)
    longest = reader.optional("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", low=0)
    length = reader.optional("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", low=0)
    chosen = longest if length is None else length
    return SpanLimits(
        attributes=reader.count("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", shared),
        events=reader.count("OTEL_SPAN_EVENT_COUNT_LIMIT", 128),
        links=reader.count("OTEL_SPAN_LINK_COUNT_LIMIT", 128),
        event_attributes=reader.count("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", shared),
        link_attributes=reader.count("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", shared),
        value_length=None if chosen is None else int(chosen),
    )


def _track(reader: _Reader, argument: str | None, label: str) -> str:
    """The argument, else the variable, else the pod's label."""
    if argument is None and not reader.text("SHOPWATCH_TRACK"):
        argument = label or TRACKS[0]
    if argument is None:
        return reader.choice("SHOPWATCH_TRACK", TRACKS, TRACKS[0])
    if argument in TRACKS:
        return argument
    reader.wrong("track", argument, f"one of {', '.join(TRACKS)}", TRACKS[0])
    return TRACKS[0]


def _pod_labels(reader: _Reader) -> dict[str, str]:
    """The labels of the pod, from the file of Kubernetes' downward API; none where there is no such file."""
    name = "SHOPWATCH_POD_LABELS"
    path = Path(reader.text(name) or _POD_LABELS)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        if reader.text(name):
            reader.wrong(name, str(path), "a file of the downward API", "no labels")
        return {}
    except (OSError, UnicodeDecodeError) as error:
        reader.wrong(name, str(path), f"a file that can be read ({type(error).__name__})", "no labels")
        return {}
    found = (_POD_LABEL.fullmatch(line.strip()) for line in lines)
    return {match[1]: match[2].replace(r"\"", '"').replace(r"\\", "\\") for match in found if match}


def _kubernetes(reader: _Reader, pod: Mapping[str, str]) -> dict[str, str]:
    variables = {
        name: reader.text(name.upper().replace(".", "_")) for name in catalogue.KUBERNETES_ATTRIBUTES
    }
    said = {**variables, catalogue.SERVICE_VERSION: pod.get(catalogue.VERSION_LABEL, "")}
    return {name: value for name, value in said.items() if value}


def _in_kubernetes(reader: _Reader) -> bool:
    return bool(reader.text("KUBERNETES_SERVICE_HOST"))


def _hooks(reader: _Reader) -> tuple[str, ...]:
    name = "SHOPWATCH_HOOKS"
    known = (*HOOK_NAMES, ALL_HOOKS, NO_HOOKS)
    chosen = reader.names(name, (ALL_HOOKS,))
    for unknown in [hook for hook in chosen if hook not in known]:
        reader.wrong(name, unknown, f"names of {', '.join(known)}", "the other names")
    return tuple(hook for hook in chosen if hook in known)


def _resource_attributes(reader: _Reader) -> dict[str, str]:
    pairs = _pairs(reader, "OTEL_RESOURCE_ATTRIBUTES", "key=value pairs with commas between")
    return {key: unquote(value) for key, value in pairs.items()}


def _pairs(reader: _Reader, name: str, expected: str) -> dict[str, str]:
    """``key=value`` pairs, comma-separated."""
    pairs: dict[str, str] = {}
    for pair in filter(None, (part.strip() for part in reader.text(name).split(","))):
        key, equals, value = pair.partition("=")
        if not equals or not key.strip():
            reader.wrong(name, pair, expected, "the other pairs")
            continue
        pairs[key.strip()] = value.strip()
    return pairs


def _export(reader: _Reader, signal: str, *, limits: str, delay_ms: int, disabled: bool) -> Export:
    exporter = reader.choice(f"OTEL_{signal}_EXPORTER", ("otlp", CONSOLE, "none"), "otlp")
    protocol = _protocol(reader, signal)
    queue = int(reader.number(f"{limits}_MAX_QUEUE_SIZE", 2_048, low=1))
    batch = int(reader.number(f"{limits}_MAX_EXPORT_BATCH_SIZE", 512, low=1))
    timeout_s = reader.number("OTEL_EXPORTER_OTLP_TIMEOUT", 10, low=0.001)
    return Export(
        enabled=exporter != "none" and not disabled,
        protocol=CONSOLE if exporter == CONSOLE else protocol,
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
