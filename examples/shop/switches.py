"""Faults as switches of one process, thrown over HTTP while it runs."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from fastapi import APIRouter, HTTPException

from shop.faults import Fault

_LOG: Final = logging.getLogger(__name__)


class Switchboard:
    """The faults of one process; all are off at first.

    Args:
        faults: those that this service can be given.
    """

    def __init__(self, *faults: Fault) -> None:
        self._events = {fault.name: threading.Event() for fault in faults}

    def event(self, fault: Fault) -> threading.Event:
        """Set while the fault is on."""
        return self._events[fault.name]

    @property
    def states(self) -> Mapping[str, bool]:
        """Whether each fault is on."""
        return MappingProxyType({name: event.is_set() for name, event in self._events.items()})

    def router(self) -> APIRouter:
        """``GET /faults``, ``PUT`` and ``DELETE /faults/{name}``; mount it only where faults are wanted."""
        router = APIRouter(tags=["faults"])
        router.add_api_route("/faults", self._list, methods=["GET"])
        router.add_api_route("/faults/{name}", self._on, methods=["PUT"])
        router.add_api_route("/faults/{name}", self._off, methods=["DELETE"])
        return router

    def _list(self) -> dict[str, bool]:
        return dict(self.states)

    def _on(self, name: str) -> dict[str, bool]:
        self._known(name).set()
        _LOG.info("fault %s is on", name)
        return {name: True}

    def _off(self, name: str) -> dict[str, bool]:
        self._known(name).clear()
        _LOG.info("fault %s is off", name)
        return {name: False}

    def _known(self, name: str) -> threading.Event:
        event = self._events.get(name)
        if event is None:
            there = ", ".join(self._events) or "none"
            raise HTTPException(404, f"no fault {name!r} here; expected one of: {there}")
        return event
