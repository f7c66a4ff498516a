"""The full template of the route that took a request, from what Starlette and FastAPI leave in the scope."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shopwatch import catalogue

MOUNTED = "/{path}"
"""Stands for what is below a mount whose application has no routes of its own."""


def template(scope: Mapping[str, Any], root_path: str) -> str:
    """The route's template with the templates of every mount and prefix around it.

    Args:
        scope: after the application has run.
        root_path: the ``root_path`` that the request came with, which is no part of the route.

    Returns:
        ``catalogue.UNMATCHED_ROUTE`` when no route took the request, or the framework does not say.
    """
    route = scope.get("route")
    if route is None:
        return catalogue.UNMATCHED_ROUTE
    mounts = _mounts(scope, route, root_path)
    if not hasattr(route, "endpoint"):  # a mount: what it leads to named no route
        return f"{mounts}{MOUNTED}" if mounts else catalogue.UNMATCHED_ROUTE
    return f"{mounts}{_path(scope, route)}" or "/"


def _path(scope: Mapping[str, Any], route: object) -> str:
    """Of a FastAPI route in nested routers the effective path: the route's own lacks the prefixes."""
    fastapi = scope.get("fastapi")
    if isinstance(fastapi, dict):
        effective = fastapi.get("effective_route_context")
        if getattr(effective, "original_route", None) is route:
            route = effective
    path = getattr(route, "path_format", None) or getattr(route, "path", "")
    return path if isinstance(path, str) else ""


def _mounts(scope: Mapping[str, Any], route: object, root_path: str) -> str:
    """What mounts added to ``root_path``, with the values of their parameters turned back into names."""
    added = str(scope.get("root_path", "")).removeprefix(root_path)
    parameters = scope.get("path_params")
    if not added or not parameters:
        return added
    own = getattr(route, "param_convertors", {})
    names = {str(value): name for name, value in parameters.items() if name not in own}
    return "/".join(f"{{{names[part]}}}" if part in names else part for part in added.split("/"))
