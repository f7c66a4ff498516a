"""``python -m shopwatch_engine.servers NAME...``: get servers, and say which were taken."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from shopwatch_engine.exceptions import ServerUnavailable
from shopwatch_engine.servers.finder import find
from shopwatch_engine.servers.table import SERVERS


def main(names: Sequence[str]) -> int:
    """Get each named server: 0 when all are there, 1 when one is not, 2 when none is named."""
    if not names:
        sys.stderr.write(f"name one or more of: {', '.join(SERVERS)}\n")
        return 2
    try:
        for name in names:
            sys.stdout.write(f"{find(name, environ=os.environ)}\n")
    except ServerUnavailable as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
