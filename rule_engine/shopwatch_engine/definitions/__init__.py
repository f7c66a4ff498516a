"""Definition files to typed values: rules, routing, settings. Each mistake is a finding with its place."""

from shopwatch_engine.definitions.routing import load_routing
from shopwatch_engine.definitions.rules import load_rules
from shopwatch_engine.definitions.settings import Settings, load_settings

__all__ = ["Settings", "load_routing", "load_rules", "load_settings"]
