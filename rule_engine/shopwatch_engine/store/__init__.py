"""Where state, incidents and outbox are kept: one transaction holds them together.

schema      the tables
records     values to rows and back
sql         every statement, named
migrations  Alembic's, one file a version
sqlite      the embedded default
"""

from shopwatch_engine.store.sqlite import SqliteStore, open_store

__all__ = ["SqliteStore", "open_store"]
