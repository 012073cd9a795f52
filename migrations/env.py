"""Alembic's entry: runs the migrations on the connection that :mod:`tracking.schema` hands over."""

from alembic import context

from tracking import (  # noqa: F401 - these put their tables into the metadata
    feedback_models,
    standing_models,
    user_models,
)
from tracking.models import Base


def run() -> None:
    """Run the migrations in the caller's transaction, with batch mode for SQLite's ALTER TABLE."""
    connection = context.config.attributes["connection"]
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_as_batch=connection.dialect.name == "sqlite",
        transactional_ddl=True,
    )
    context.run_migrations()


run()
