"""Faults, the alerts that they must raise, and the switches that bring them about."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
import yaml
from fastapi import FastAPI

from shop import catalogue, orders, payments
from shop.faults import FAULTS, HIGH_CPU, STUCK_WORKER, Fault, Mechanism
from shop.service import Service
from shop.settings import PORTS, Settings
from shop.switches import Switchboard

RULES = Path(__file__).parents[3] / "alert_rules"
SETTINGS = Settings(faults=True, token_secret="made-up-secret-of-more-than-32-characters")
BUILDERS = {"catalogue": catalogue.build, "orders": orders.build, "payments": payments.build}


def paging_alerts() -> set[str]:
    groups = [
        group
        for file in RULES.glob("*.yml")
        for group in yaml.safe_load(file.read_text(encoding="utf-8")).get("groups", [])
    ]
    rules = [rule for group in groups for rule in group["rules"]]
    return {rule["alert"] for rule in rules if rule["labels"]["severity"] in ("critical", "error")}


def test_each_paging_alert_has_the_one_fault_that_raises_it() -> None:
    assert sorted(fault.alert for fault in FAULTS) == sorted(paging_alerts())


def test_each_fault_has_a_name_of_its_own_and_a_service_of_the_shop() -> None:
    assert len({fault.name for fault in FAULTS}) == len(FAULTS) == 8
    assert {fault.service for fault in FAULTS} <= set(PORTS)


@pytest.mark.parametrize(
    "fault", [one for one in FAULTS if one.mechanism is Mechanism.HTTP], ids=lambda one: one.name
)
async def test_a_service_has_the_switches_of_its_faults(fault: Fault) -> None:
    async with client_of(BUILDERS[fault.service](SETTINGS)) as client:
        assert (await client.get("/faults")).json()[fault.name] is False


@pytest.mark.parametrize("service", BUILDERS)
async def test_without_the_setting_no_service_has_a_switch(service: str) -> None:
    built = BUILDERS[service](Settings(token_secret=SETTINGS.token_secret))
    async with client_of(built) as client:
        for fault in FAULTS:
            assert (await client.put(f"/faults/{fault.name}")).status_code == 404


async def test_a_switch_is_thrown_and_thrown_back() -> None:
    switches, app = Switchboard(STUCK_WORKER, HIGH_CPU), FastAPI()
    app.include_router(switches.router())
    async with client_of(Service(app=app)) as client:
        assert (await client.put("/faults/stuck-worker")).json() == {"stuck-worker": True}
        assert switches.event(STUCK_WORKER).is_set()
        assert (await client.get("/faults")).json() == {"stuck-worker": True, "high-cpu": False}
        assert (await client.delete("/faults/stuck-worker")).json() == {"stuck-worker": False}
        assert not switches.event(STUCK_WORKER).is_set()
        unknown = await client.put("/faults/stuck")
        assert unknown.status_code == 404
        assert "stuck-worker, high-cpu" in unknown.json()["detail"]


def client_of(service: Service) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(service.app), base_url="http://service")
