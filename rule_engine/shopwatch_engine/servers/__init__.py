"""Real servers (Prometheus, ...) for the demo and the tests: one table, and one way to find each.

Knows how to get a server onto this machine; knows nothing of how it is configured or started.
``python -m shopwatch_engine.servers prometheus`` gets one beforehand.
"""

from shopwatch_engine.servers.commands import Completed, Run, run_command
from shopwatch_engine.servers.finder import find
from shopwatch_engine.servers.spec import FoundServer, ServerSpec
from shopwatch_engine.servers.table import SERVERS

__all__ = ["SERVERS", "Completed", "FoundServer", "Run", "ServerSpec", "find", "run_command"]
