"""The demo shop as it is started by the demo: real processes, real requests, real faults."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from library_server import Collector
from real_prometheus import free_port, wait_until
from shop_processes import EXAMPLES, SECRET, STOP_S, ShopProcess

PASSWORD = "correct horse battery"
PROVIDER = "payment-provider"


@dataclass(frozen=True, kw_only=True)
class Shop:
    gateway: ShopProcess
    auth: ShopProcess
    catalogue: ShopProcess
    canary: ShopProcess
    orders: ShopProcess
    payments: ShopProcess

    @property
    def all(self) -> tuple[ShopProcess, ...]:
        return (self.gateway, self.auth, self.catalogue, self.canary, self.orders, self.payments)


def made(folder: Path, collector: str) -> Shop:
    shared = {
        "SHOP_FAULTS": "1",
        "SHOP_TOKEN_SECRET": SECRET,
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector,
        "SHOP_PASSWORD_COST": "10",
        "SHOP_CATALOGUE_CANARY_SHARE": "0.5",
    }
    ports = {name: free_port() for name in ("gateway", "auth", "catalogue", "canary", "orders", "payments")}
    urls = {
        f"SHOP_{name.upper()}_URL": f"http://127.0.0.1:{port}"
        for name, port in {**ports, "catalogue_canary": ports["canary"]}.items()
    }
    canary = {"SHOP_VERSION": "1.1.0-bad", "SHOPWATCH_TRACK": "canary"}
    services = {
        name: ShopProcess(
            service="catalogue" if name == "canary" else name,
            environ={**shared, **urls, **(canary if name == "canary" else {})},
            log_file=folder / f"{name}.log",
            port=port,
        )
        for name, port in ports.items()
    }
    return Shop(**services)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with Collector() as collector:
        started = made(tmp_path_factory.mktemp("shop"), collector.url)
        try:
            for service in started.all:
                service.start()
            for service in started.all:
                service.wait_until_ready()
            yield started
        finally:
            codes = {service.service: service.stop() for service in started.all if service.process}
        assert set(codes.values()) == {0}


@pytest.fixture(scope="module")
def customer(shop: Shop) -> Iterator[httpx.Client]:
    """A customer who is logged in at the gateway."""
    with httpx.Client(base_url=shop.gateway.url, timeout=10, trust_env=False) as client:
        account = {"username": "ada", "password": PASSWORD}
        assert client.post("/customers", json=account).status_code == 201
        token = client.post("/login", data=account).json()["access_token"]
        client.headers["authorization"] = f"Bearer {token}"
        yield client


def load(shop: Shop, *arguments: str) -> dict[str, int]:
    command = [sys.executable, "-m", "shop.load", "--gateway", shop.gateway.url, *arguments]
    done = subprocess.run(
        command, env={"PYTHONPATH": str(EXAMPLES)}, capture_output=True, text=True, timeout=60, check=True
    )
    counts: dict[str, int] = json.loads(done.stdout)
    return counts


@contextmanager
def fault(service: ShopProcess, name: str) -> Iterator[None]:
    assert httpx.put(f"{service.url}/faults/{name}", trust_env=False).json() == {name: True}
    try:
        yield
    finally:
        assert httpx.delete(f"{service.url}/faults/{name}", trust_env=False).json() == {name: False}


def order(customer: httpx.Client, **basket: Any) -> httpx.Response:
    return customer.post("/orders", json={"product": "mug", **basket})


def pay(customer: httpx.Client, order_id: str, card: str = "card-good") -> httpx.Response:
    return customer.post(f"/orders/{order_id}/payment", json={"card": card})


@contextmanager
def rises(read: Callable[[], float], *, at_least: float = 1) -> Iterator[None]:
    before = read()
    yield
    wait_until(lambda: read() >= before + at_least, within_s=20, what=f"{read} rises by {at_least}")


def test_customers_buy(shop: Shop) -> None:
    shop_orders = lambda: shop.orders.metric("shopwatch_orders_total", shopwatch_outcome="placed")  # noqa: E731 - read twice
    before = shop_orders()
    counts = load(shop, "--rate", "10", "--seconds", "2", "--seed", "7")
    assert 10 <= counts["customers"] <= 40
    assert counts["order: 201"] == counts["customers"] == shop_orders() - before
    assert counts["payment: 200"] + counts.get("payment: 402", 0) == counts["customers"]
    assert not [step for step in counts if step.rpartition(" ")[2].startswith("5") or "Error" in step]


def test_every_series_names_its_service(shop: Shop) -> None:
    for service in (shop.gateway, shop.auth, shop.catalogue, shop.orders, shop.payments):
        assert service.metric("process_cpu_seconds_total") > 0
        for metric in ("db_client_operation_duration_seconds_count", "target_info"):
            assert service.metric(metric, service_name="unknown_service") == 0


def logged(process: ShopProcess, line: str, trace_id: str) -> bool:
    return trace_id in process.traces(line)


def paying_traces(shop: Shop, order_id: str) -> set[str]:
    """Traces that the gateway, orders and payments have written lines of; lines come a little later."""
    return (
        shop.payments.traces("POST /payments 200")
        & shop.gateway.traces("POST /orders/{order_id}/payment 200")
        & {
            line["trace_id"]
            for line in shop.orders.lines
            if order_id in line["attributes"].get("url.path", "")
        }
    )


def test_one_trace_goes_through_every_service_and_the_queue(shop: Shop, customer: httpx.Client) -> None:
    order_id = order(customer).json()["order_id"]
    assert pay(customer, order_id).status_code == 200
    confirmed = f"order {order_id} is confirmed"
    wait_until(lambda: shop.orders.traces(confirmed), within_s=10, what=confirmed)
    [placing] = shop.orders.traces(confirmed)
    for process, line in (
        (shop.gateway, "POST /orders 201"),
        (shop.orders, "POST /orders 201"),
        (shop.catalogue, "GET /products/{name} 200"),
    ):
        wait_until(partial(logged, process, line, placing), within_s=5, what=line)
    wait_until(lambda: paying_traces(shop, order_id), within_s=5, what="the lines of the payment")
    [paying] = paying_traces(shop, order_id)
    assert paying != placing


def test_an_order_is_paid_once_and_shown_to_its_customer(customer: httpx.Client) -> None:
    order_id = order(customer, quantity=2).json()["order_id"]
    assert pay(customer, order_id, "card-declined").status_code == 402
    assert pay(customer, order_id).json() == {"order_id": order_id, "status": "paid"}
    assert pay(customer, order_id).status_code == 409
    assert customer.get(f"/orders/{order_id}").json() == {
        "order_id": order_id,
        "amount_cents": 2_900,
        "status": "paid",
    }


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        pytest.param("POST", "/orders", {"product": "unicorn"}, 422, id="no such product"),
        pytest.param("POST", "/orders", {"product": "mug", "quantity": 0}, 422, id="nothing of it"),
        pytest.param("POST", "/orders", {"product": "../faults"}, 422, id="a path for a product"),
        pytest.param("GET", f"/orders/{'0' * 32}", None, 404, id="no such order"),
        pytest.param("GET", "/orders/1", None, 422, id="no order's number"),
        pytest.param("GET", "/products/unicorn", None, 404, id="no such page"),
    ],
)
def test_what_a_customer_asks_wrongly_is_the_customers_error(
    customer: httpx.Client, method: str, path: str, body: Any, status: int
) -> None:
    assert customer.request(method, path, json=body).status_code == status


def test_a_body_that_is_no_json_is_the_customers_error(customer: httpx.Client) -> None:
    answer = customer.post("/orders", content=b"{", headers={"content-type": "application/json"})
    assert answer.status_code == 422


def test_nobody_orders_without_a_token(shop: Shop) -> None:
    for token in (None, "Bearer a.b.c", "Basic YTpi"):
        headers = {"authorization": token} if token else {}
        answer = httpx.post(
            f"{shop.gateway.url}/orders", json={"product": "mug"}, headers=headers, trust_env=False
        )
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")


def test_a_login_attack_is_counted_and_leaves_no_names(shop: Shop) -> None:
    def failures() -> float:
        return shop.auth.metric("shopwatch_login_attempts_total", shopwatch_outcome="failure")

    before = failures()
    counts = load(shop, "--attack", "--rate", "20", "--seconds", "1", "--seed", "7")
    assert list(counts) == ["wrong password: 401"]
    assert counts["wrong password: 401"] == failures() - before >= 10
    assert shop.auth.complaints("a login was refused")
    assert not [line for line in shop.auth.lines if "customer-7" in json.dumps(line)]


def test_database_errors_fail_orders_and_nothing_else(shop: Shop, customer: httpx.Client) -> None:
    def failed() -> float:
        return shop.orders.metric(
            "db_client_operation_duration_seconds_count", error_type="sqlite3.OperationalError"
        )

    with fault(shop.orders, "database-errors"), rises(failed, at_least=2):
        assert [order(customer).status_code for _ in range(2)] == [502, 502]
        assert customer.get("/products").status_code == 200
    assert order(customer).status_code == 201
    assert shop.orders.complaints("the database failed")
    assert "no such table" in json.dumps(shop.orders.complaints("the database failed")[-1])


def test_a_slow_provider_slows_payments_without_failing_them(shop: Shop, customer: httpx.Client) -> None:
    def slow() -> float:
        name = "http_client_request_duration_seconds"
        return shop.payments.metric(f"{name}_count", service_peer_name=PROVIDER) - shop.payments.metric(
            f"{name}_bucket", service_peer_name=PROVIDER, le="1.0"
        )

    order_id = order(customer).json()["order_id"]
    with fault(shop.payments, "slow-payment-provider"), rises(slow):
        assert pay(customer, order_id).status_code == 200
    assert shop.payments.complaints("the payment provider took 1.")
    assert slow() == 1


def test_high_cpu_burns_a_core_while_it_lasts(shop: Shop, customer: httpx.Client) -> None:
    def burnt() -> float:
        return shop.catalogue.metric("process_cpu_seconds_total")

    with fault(shop.catalogue, "high-cpu"), rises(burnt, at_least=0.5):
        assert customer.get("/products").status_code == 200


def test_a_cache_that_loses_its_entries_misses_and_is_warm_again_afterwards(shop: Shop) -> None:
    def count(result: str) -> float:
        return shop.catalogue.metric("shopwatch_cache_requests_total", shopwatch_cache_result=result)

    page = f"{shop.catalogue.url}/products/mug"
    assert count("hit") > 0
    misses = count("miss")
    with fault(shop.catalogue, "cache-misses"):
        assert [httpx.get(page, trust_env=False).status_code for _ in range(3)] == [200] * 3
    assert count("miss") == misses + 3
    hits = count("hit")
    assert [httpx.get(page, trust_env=False).status_code for _ in range(2)] == [200] * 2
    assert (count("miss"), count("hit")) == (misses + 3, hits + 2)
    assert shop.catalogue.complaints("cache products lost 'product:mug'")


def test_a_stuck_worker_lets_the_queue_grow_and_drains_it_afterwards(
    shop: Shop, customer: httpx.Client
) -> None:
    def waiting() -> float:
        return shop.orders.metric("shopwatch_queue_messages", messaging_destination_name="orders.placed")

    with fault(shop.orders, "stuck-worker"):
        # one message may be in its hands when it gets stuck
        for _ in range(8):
            assert order(customer).status_code == 201
        wait_until(lambda: waiting() >= 7, within_s=10, what="seven messages wait")
        assert shop.orders.metric("shopwatch_queue_oldest_message_age_seconds") > 0
    wait_until(lambda: waiting() == 0, within_s=10, what="no message waits")
    assert shop.orders.complaints("messages wait in orders.placed")


def test_a_bad_release_fails_the_canary_alone(shop: Shop, customer: httpx.Client) -> None:
    def failed(service: ShopProcess, **labels: str) -> float:
        return service.metric(
            "http_server_request_duration_seconds_count", http_response_status_code="500", **labels
        )

    with (
        fault(shop.canary, "bad-release"),
        rises(lambda: failed(shop.canary, shopwatch_track="canary", service_version="1.1.0-bad")),
    ):
        answers = [customer.get("/products").status_code for _ in range(20)]
    assert set(answers) == {200, 502}
    assert failed(shop.catalogue) == 0
    assert "BadReleaseError" in json.dumps(shop.canary.complaints("GET /products 500"))


def test_a_crashed_service_fails_what_needs_it_and_comes_back(shop: Shop, customer: httpx.Client) -> None:
    order_id = order(customer).json()["order_id"]
    assert shop.payments.stop(signal.SIGKILL) == -signal.SIGKILL
    assert pay(customer, order_id).status_code == 502
    assert shop.orders.complaints("payments cannot be reached")
    shop.payments.start()
    shop.payments.wait_until_ready()
    assert pay(customer, order_id).status_code == 200


def test_every_line_of_every_service_is_json_and_no_secret_is_among_them(shop: Shop) -> None:
    for service in shop.all:
        assert service.lines
        text = service.log_file.read_text(encoding="utf-8")
        assert SECRET not in text
        assert PASSWORD not in text


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        pytest.param({}, "SHOP_TOKEN_SECRET is not set", id="no secret"),
        pytest.param(
            {"SHOP_TOKEN_SECRET": SECRET, "SHOP_DATABASE_URL": "nosql://a:hunter2@b/c"},
            "SHOP_DATABASE_URL",
            id="no database",
        ),
    ],
)
def test_a_service_that_cannot_be_set_up_says_why_and_ends(environ: dict[str, str], expected: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "shop", "orders", "--port", "0"],
        env={"PYTHONPATH": str(EXAMPLES), **environ},
        capture_output=True,
        text=True,
        timeout=STOP_S * 2,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("shop orders: ")
    assert expected in done.stderr
    assert "hunter2" not in done.stderr
