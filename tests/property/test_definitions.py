"""Whatever stands in a file, it loads or every finding has a place in it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from shopwatch_engine.definitions import load_routing, load_rules, load_settings
from shopwatch_engine.exceptions import DefinitionError
from shopwatch_engine.model import Finding

KEYS = st.sampled_from(
    [
        "groups",
        "name",
        "rules",
        "alert",
        "record",
        "expr",
        "for",
        "labels",
        "annotations",
        "interval",
        "limit",
        "route",
        "routes",
        "receivers",
        "receiver",
        "matchers",
        "match",
        "match_re",
        "group_by",
        "group_wait",
        "pagerduty_configs",
        "opsgenie_configs",
        "routing_key",
        "routing_key_file",
        "api_key",
        "url",
        "details",
        "global",
        "continue",
        "prometheus",
        "listen",
        "store",
        "typo",
        "<<",
    ]
) | st.just("")
TEXTS = st.sampled_from(("up", "5m", "", "x=y", "{{ $x", "{{ $value }}", "sum(", "http://x", ".."))
SCALARS = TEXTS | st.none() | st.integers() | st.booleans() | st.text(max_size=5)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=25,
)
FILES = VALUES.map(
    lambda value: yaml.safe_dump(value, allow_unicode=True).encode("utf-8", "replace")
) | st.binary(max_size=40)

LOADERS: dict[str, Callable[[Path], Any]] = {
    "rules": lambda file: load_rules([file]),
    "routing": load_routing,
    "settings": lambda file: load_settings(file, {}),
}


@pytest.mark.parametrize("kind", LOADERS)
@settings(max_examples=150, deadline=5000)
@given(content=FILES)
def test_loads_or_tells(kind: str, content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "file.yml"
        file.write_bytes(content)
        try:
            LOADERS[kind](file)
        except DefinitionError as error:
            lines = content.count(b"\n") + content.count(b"\r") + 1
            for one in error.findings:
                assert isinstance(one, Finding)
                assert one.message
                assert one.remedy
                assert one.position.file in (str(file), "settings")
                assert 0 <= one.position.line <= lines + 1
