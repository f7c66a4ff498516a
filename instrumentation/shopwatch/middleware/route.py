"""The full template of the route that took a request, from what Starlette and FastAPI leave in the scope."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from shopwatch import catalogue
from shopwatch.middleware.notes import ROUTE

MOUNTED: Final = "/{path}"
"""Stands for what is below a mount whose application has no routes of its own."""

_MOST: Final = 4_096  # routes that are remembered


class Templates:
    """Finds a request's template, and remembers that of each route that stands below no mount."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[object, str]] = {}

    def of(self, scope: Mapping[str, Any], root_path: str) -> str:
        """The route's template with the templates of every mount and prefix around it.

        Args:
            scope: after the application has run.
            root_path: the ``root_path`` that the request came with, which is no part of the route.

        Returns:
            ``catalogue.UNMATCHED_ROUTE`` when no route took the request, or the framework does not say.
        """
        route = scope.get("route")
        if route is None:
            return noted(scope)
        if scope.get("root_path", "") != root_path:
            return template(scope, root_path)
        if "fastapi" in scope:
            route = _effective(scope, route)
        known = self._known.get(id(route))
        if known is not None and known[0] is route:
            return known[1]
        found = template(scope, root_path)
        if len(self._known) < _MOST:
            self._known[id(route)] = (route, found)  # kept with it, so that the id stays its own
        return found


def noted(scope: Mapping[str, Any]) -> str:
    """The template that Litestar or an adapter of ours (Django) has noted."""
    found = scope.get(ROUTE) or scope.get("path_template") or catalogue.UNMATCHED_ROUTE
    return str(found)


def template(scope: Mapping[str, Any], root_path: str) -> str:
    """As ``Templates.of``, found anew."""
    route = scope.get("route")
    if route is None:
        return noted(scope)
    mounts = _mounts(scope, route, root_path)
    if not hasattr(route, "endpoint"):  # a mount: what it leads to named no route
        return f"{mounts}{MOUNTED}" if mounts else catalogue.UNMATCHED_ROUTE
    route = _effective(scope, route)
    path = getattr(route, "path_format", None) or getattr(route, "path", "")
    return f"{mounts}{path if isinstance(path, str) else ''}" or "/"


def _effective(scope: Mapping[str, Any], route: object) -> object:
    """Of a FastAPI route in nested routers the effective one: the route's own path lacks the prefixes."""
    fastapi = scope.get("fastapi")
    if isinstance(fastapi, dict):
        effective = fastapi.get("effective_route_context")
        if getattr(effective, "original_route", None) is route:
            return effective
    return route


def _mounts(scope: Mapping[str, Any], route: object, root_path: str) -> str:
    """What mounts added to ``root_path``, with the values of their parameters turned back into names."""
    added = str(scope.get("root_path", "")).removeprefix(root_path)
    parameters = scope.get("path_params")
    if not added or not parameters:
        return added
    own = getattr(route, "param_convertors", {})
    names = {str(value): name for name, value in parameters.items() if name not in own}
    return "/".join(f"{{{names[part]}}}" if part in names else part for part in added.split("/"))
