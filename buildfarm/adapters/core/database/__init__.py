"""The store: SQLAlchemy Core over SQLite (WAL) or PostgreSQL, with Alembic from the first table."""

from buildfarm.adapters.core.database.store import SqlStore

__all__ = ["SqlStore"]
