"""An index of the few deliveries that failed, for the page of destinations.

Revision ID: 0022
Revises: 0021
"""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    failed = sa.text("error IS NOT NULL AND state IN ('waiting', 'stopped')")
    op.create_index(
        "ix_delivery_failed", "delivery", ["destination", "id"], sqlite_where=failed, postgresql_where=failed
    )


def downgrade() -> None:
    op.drop_index("ix_delivery_failed", "delivery")
