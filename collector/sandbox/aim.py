"""``python aim.py ROUTING COPY``: a routing file whose pagers are the stack's sandbox, all else kept.

So the stack works without keys, and its routes are still those of ``alert_rules/routing.yml``.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import yaml

from shopwatch_engine.demo.acceleration import PagerAccess, aimed_routing

SANDBOX: Final = PagerAccess(
    pagerduty_url="http://pagers:8025/v2/enqueue",
    opsgenie_api_url="http://pagers:8025/",
    pagerduty_key_file="/run/secrets/shopwatch/pagerduty_routing_key",
    opsgenie_key_file="/run/secrets/shopwatch/opsgenie_api_key",
)


def main(arguments: Sequence[str]) -> int:
    """Write the copy whole or not at all; 1 and the reason when the routing file cannot be read."""
    routing, copy = map(Path, arguments)
    try:
        document = yaml.safe_load(routing.read_text(encoding="utf-8"))
        aimed = aimed_routing(document, SANDBOX)
    except (OSError, yaml.YAMLError, AttributeError, KeyError, TypeError) as error:
        sys.stderr.write(f"{routing} is no routing file: {error}; `shopwatch check` says more\n")
        return 1
    unfinished = copy.with_suffix(".unfinished")
    unfinished.write_text(yaml.safe_dump(aimed, sort_keys=False), encoding="utf-8")
    unfinished.replace(copy)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
