"""A service of the shop, built and not yet started."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fastapi import FastAPI

from shopwatch.health import Check


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """An application, and the checks that its ``/readyz`` asks."""

    app: FastAPI
    readiness: Mapping[str, Check] = field(default_factory=dict)
