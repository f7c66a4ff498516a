"""The command ``shopwatch``: one file a command."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; say what to install when only the library is there."""
    try:
        from shopwatch_engine.cli.app import app  # noqa: PLC0415 - the engine's libraries may not be there
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("shopwatch"):
            raise
        sys.exit(
            f"shopwatch: the rule engine needs {error.name!r}; install it: pip install 'shopwatch[engine]'"
        )
    app()
