"""Sources: where samples, log lines and traces come from. One engine a file, behind the ports.

Imports nothing of the store or the runtime.
"""

from shopwatch_engine.sources.embedded import EmbeddedSource
from shopwatch_engine.sources.prometheus import PrometheusSource

__all__ = ["EmbeddedSource", "PrometheusSource"]
