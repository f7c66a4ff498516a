"""Every metric, label, resource attribute and log field that shopwatch speaks of, once.

Names follow OpenTelemetry's semantic conventions 1.44; what they do not name is ours and starts with
``shopwatch``. Prometheus' form of a name follows OpenTelemetry's translation: dots become underscores,
the unit is appended, counters end in ``_total``. Knows nothing of prometheus_client.
"""

from __future__ import annotations

from typing import Final

from shopwatch.catalogue.attributes import *
from shopwatch.catalogue.database import *
from shopwatch.catalogue.declared import *
from shopwatch.catalogue.engine import *
from shopwatch.catalogue.event import *
from shopwatch.catalogue.foreign import *
from shopwatch.catalogue.http import *
from shopwatch.catalogue.kubernetes import *
from shopwatch.catalogue.logs import *
from shopwatch.catalogue.messaging import *
from shopwatch.catalogue.model import *
from shopwatch.catalogue.runtime import *
from shopwatch.catalogue.shop import *
from shopwatch.catalogue.telemetry import *

SERVICE_METRICS: Final = (
    *HTTP_METRICS,
    *DATABASE_METRICS,
    *MESSAGING_METRICS,
    *SHOP_METRICS,
    *RUNTIME_METRICS,
    *TELEMETRY_METRICS,
)
"""What the library records in a service."""
know(SERVICE_METRICS, of_services=True)
know((*ENGINE_METRICS, *FOREIGN_METRICS), of_services=False)
