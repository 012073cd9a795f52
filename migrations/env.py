"""Alembic's entry: runs the migrations on the connection that :mod:`tracking.engine.schema` hands over."""

from alembic import context

from tracking.tables.models import Base


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
