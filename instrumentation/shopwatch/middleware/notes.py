"""What a framework's adapter notes in a request's ASGI scope or WSGI environment for the middleware."""

from __future__ import annotations

from typing import Final

ROUTE: Final = "shopwatch.route"
"""The route's template."""
ERROR: Final = "shopwatch.error"
"""The exception that the framework made an answer of."""
