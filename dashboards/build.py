"""Build the dashboards' JSON from the code beside it: ``python dashboards/build.py [--check]``.

``--check`` writes nothing, and exits 1 when a committed file is not what would be built.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from grafana_foundation_sdk.cog.encoder import JSONEncoder

import shop_dashboard

FOLDER: Final = Path(__file__).resolve().parent


def built() -> dict[Path, str]:
    """Every dashboard file, and its text."""
    dashboard = shop_dashboard.dashboard()
    return {
        FOLDER / f"{shop_dashboard.UID}.json": json.dumps(
            dashboard, cls=JSONEncoder, indent=2, sort_keys=True
        )
        + "\n"
    }


def stale(files: dict[Path, str]) -> list[Path]:
    """The files whose text on disk is another."""
    return [
        path for path, text in files.items() if not path.is_file() or path.read_text(encoding="utf-8") != text
    ]


def main(arguments: Sequence[str]) -> int:
    """Write what changed, or with ``--check`` only say so."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 if a file is not up to date"
    )
    check = parser.parse_args(arguments).check
    files = built()
    changed = stale(files)
    for path in changed:
        if check:
            sys.stderr.write(f"{path.name} is not what the code builds: run `python dashboards/build.py`\n")
        else:
            path.write_text(files[path], encoding="utf-8")
            sys.stdout.write(f"wrote {path.name}\n")
    return 1 if check and changed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
