"""Alembic migrations of the tracking database; run with ``cxrnode db upgrade``."""
