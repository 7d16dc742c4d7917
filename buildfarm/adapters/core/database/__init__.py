"""The store: SQLAlchemy Core over SQLite (WAL) or PostgreSQL, with Alembic migrations."""

from buildfarm.adapters.core.database.store import SqlStore

__all__ = ["SqlStore"]
