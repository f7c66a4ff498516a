"""JSON as strictly as the vendors' own parsers read it."""

from __future__ import annotations

import json
from typing import Any, NoReturn


def json_object(body: bytes) -> dict[str, Any] | None:
    """The object in a body; None if it is no JSON, no object, or holds what no strict parser takes.

    Python alone would let NaN, the infinities and half surrogate pairs pass.
    """
    try:
        raw = json.loads(body, parse_constant=_refuse_constant)
        json.dumps(raw, ensure_ascii=False).encode()
    except (ValueError, RecursionError):  # both Unicode errors are ValueErrors
        return None
    return raw if isinstance(raw, dict) else None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")
