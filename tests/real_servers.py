"""Real servers on free loopback ports, each in a folder of its own, ended by its process id."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from real_prometheus import free_port
from shopwatch_engine.servers import find

READY_S = 90.0
STOP_S = 20.0
ANOTHER_USER = "nobody"  # for servers that refuse to run as root


def _as_user() -> str | None:
    return ANOTHER_USER if os.geteuid() == 0 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A server's process and what it has said."""

    process: subprocess.Popen[bytes]
    log: Path

    def wait_until(self, ready: Callable[[], bool]) -> None:
        """Wait for a condition as long as the server lives."""
        until = time.monotonic() + READY_S
        while not ready():
            if self.process.poll() is not None or time.monotonic() > until:
                said = self.log.read_text(encoding="utf-8", errors="replace")[-4_000:]
                raise AssertionError(f"it does not answer (exit code {self.process.poll()}):\n{said}")
            time.sleep(0.05)


@contextlib.contextmanager
def _running(
    command: Sequence[str], folder: Path, *, environ: Mapping[str, str] | None = None, user: str | None = None
) -> Iterator[Process]:
    log = folder / f"{Path(command[0]).name}.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **(environ or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            user=user,
        )
    try:
        yield Process(process=process, log=log)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _exchange(port: int, said: bytes, expected: bytes) -> bool:
    """Whether a port answers some bytes with others."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            connection.sendall(said)
            return connection.recv(64).startswith(expected)
    except OSError:
        return False


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5, trust_env=False).is_success
    except httpx.HTTPError:
        return False


@contextlib.contextmanager
def redis(folder: Path) -> Iterator[int]:
    """A Redis that keeps nothing; its port."""
    port, server = free_port(), find("redis", environ=os.environ)
    command = (*server.command("redis-server"), "--bind", "127.0.0.1", "--port", str(port), "--save", "")
    with _running(command, folder) as process:
        process.wait_until(lambda: _exchange(port, b"PING\r\n", b"+PONG"))
        yield port


@contextlib.contextmanager
def memcached(folder: Path) -> Iterator[int]:
    """A memcached; its port."""
    port, server = free_port(), find("memcached", environ=os.environ)
    command = (*server.command("memcached"), "-l", "127.0.0.1", "-p", str(port), "-U", "0")
    with _running(command, folder, user=_as_user()) as process:
        process.wait_until(lambda: _exchange(port, b"version\r\n", b"VERSION"))
        yield port


@contextlib.contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """A Postgres with an empty database; its URL, of the user ``shop`` who needs no password."""
    port, server = free_port(), find("postgres", environ=os.environ)
    data = folder / "data"
    if _as_user():
        _open_to_others(folder)
        shutil.chown(folder, _as_user())
    made = (
        *server.command("initdb"),
        "-D",
        str(data),
        "-U",
        "shop",
        "-A",
        "trust",
        "-E",
        "UTF8",
        "--no-sync",
    )
    subprocess.run(made, cwd=folder, user=_as_user(), check=True, capture_output=True)
    command = (*server.command("postgres"), "-D", str(data), "-p", str(port), "-h", "127.0.0.1")
    with _running((*command, "-k", str(folder), "-F"), folder, user=_as_user()) as process:
        process.wait_until(lambda: b"ready to accept" in process.log.read_bytes())
        yield f"postgresql://shop@127.0.0.1:{port}/postgres"


def _open_to_others(folder: Path) -> None:
    """Let another user pass through the folders above, which pytest closes."""
    for above in (folder, *folder.parents):
        if above == Path("/tmp") or above == Path("/"):  # noqa: S108 - where pytest's folders are
            return
        above.chmod(above.stat().st_mode | 0o011)


@contextlib.contextmanager
def rabbitmq(folder: Path) -> Iterator[str]:
    """A RabbitMQ without messages; its URL. Its port mapper is its own, and ends with it."""
    port, names, server = free_port(), free_port(), find("rabbitmq", environ=os.environ)
    settings = (
        f"listeners.tcp.1 = 127.0.0.1:{port}",
        "disk_free_limit.absolute = 1MB",
        "log.console = true",
        "",
    )
    (folder / "rabbitmq.conf").write_text("\n".join(settings), encoding="utf-8")
    (folder / "enabled_plugins").write_text("[].\n", encoding="utf-8")
    environ = {
        "HOME": str(folder),  # where the cookie is made
        "RABBITMQ_NODENAME": f"shopwatch-{secrets.token_hex(4)}@localhost",
        "RABBITMQ_DIST_PORT": str(free_port()),
        "RABBITMQ_BASE": str(folder),
        "RABBITMQ_MNESIA_BASE": str(folder / "data"),
        "RABBITMQ_LOG_BASE": str(folder / "logs"),
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
        "RABBITMQ_CONF_ENV_FILE": str(folder / "none"),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "ERL_EPMD_PORT": str(names),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +sbwt none",
    }
    mapper = (*server.command("epmd"), "-port", str(names), "-address", "127.0.0.1")
    with (
        _running(mapper, folder, environ=environ),  # the node would start one that outlives it
        _running(server.command("rabbitmq-server"), folder, environ=environ) as process,
    ):
        process.wait_until(lambda: _exchange(port, b"AMQP\x00\x00\x09\x01", b"\x01"))
        yield f"amqp://guest:guest@127.0.0.1:{port}/%2F"


@contextlib.contextmanager
def elasticsearch(folder: Path) -> Iterator[str]:
    """An empty Elasticsearch without security; its URL."""
    port, server = free_port(), find("elasticsearch", environ=os.environ)
    (program,) = server.command("elasticsearch")
    home = folder / "elasticsearch"
    shutil.copytree(Path(program).parents[1], home)  # it writes into its folder, and another user runs it
    (home / "config" / "elasticsearch.yml").write_text(
        f"discovery.type: single-node\nhttp.host: 127.0.0.1\nhttp.port: {port}\n"
        f"transport.port: {free_port()}\nxpack.security.enabled: false\n"
        "cluster.routing.allocation.disk.threshold_enabled: false\n",
        encoding="utf-8",
    )
    if user := _as_user():
        _open_to_others(folder)
        for path in (folder, home, *home.rglob("*")):
            shutil.chown(path, user)
    java = shutil.which("java")
    assert java, "Elasticsearch needs Java 17: apt-get install openjdk-17-jre-headless"
    environ = {
        "ES_JAVA_HOME": str(Path(java).resolve().parents[1]),
        "ES_JAVA_OPTS": "-Xms512m -Xmx512m",
        "ES_PATH_CONF": str(home / "config"),
        "HOME": str(home),
    }
    with _running((str(home / "bin" / "elasticsearch"),), folder, environ=environ, user=user) as process:
        url = f"http://127.0.0.1:{port}"
        process.wait_until(lambda: _answers(f"{url}/_cluster/health?wait_for_status=yellow&timeout=1s"))
        yield url


@dataclass(frozen=True, slots=True, kw_only=True)
class Jaeger:
    """A Jaeger: where it takes OTLP by HTTP, and where it is asked."""

    otlp: str
    query: str


@contextlib.contextmanager
def jaeger(folder: Path, elasticsearch_url: str) -> Iterator[Jaeger]:
    """A Jaeger that stores in an Elasticsearch."""
    server = find("jaeger", environ=os.environ)
    otlp, query, grpc_port, health, told = (free_port() for _ in range(5))
    (folder / "jaeger.yaml").write_text(
        _JAEGER.format(
            otlp=otlp, query=query, grpc=grpc_port, health=health, told=told, elasticsearch=elasticsearch_url
        ),
        encoding="utf-8",
    )
    command = (*server.command("jaeger"), "--config", str(folder / "jaeger.yaml"))
    with _running(command, folder) as process:
        process.wait_until(lambda: _answers(f"http://127.0.0.1:{query}/api/services"))
        yield Jaeger(otlp=f"http://127.0.0.1:{otlp}", query=f"http://127.0.0.1:{query}")


_JAEGER = """
service:
  extensions: [jaeger_storage, jaeger_query, healthcheckv2]
  telemetry:
    metrics: {{level: none}}
  pipelines:
    traces: {{receivers: [otlp], processors: [batch], exporters: [jaeger_storage_exporter]}}
extensions:
  healthcheckv2:
    use_v2: true
    http: {{endpoint: 127.0.0.1:{health}}}
  jaeger_query:
    storage: {{traces: shop}}
    http: {{endpoint: 127.0.0.1:{query}}}
    grpc: {{endpoint: 127.0.0.1:{grpc}}}
  jaeger_storage:
    backends:
      shop:
        elasticsearch:
          server_urls: ["{elasticsearch}"]
          version: 8
          disable_health_check: true
          indices: {{spans: {{shards: 1, replicas: 0}}, services: {{shards: 1, replicas: 0}}}}
receivers:
  otlp:
    protocols:
      http: {{endpoint: 127.0.0.1:{otlp}}}
processors:
  batch: {{timeout: 100ms}}
exporters:
  jaeger_storage_exporter: {{trace_storage: shop}}
"""
