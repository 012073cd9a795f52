"""How an image was read: remarks for its readers, its own verdict, its distance from what the model learnt.

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("image_outcome", sa.Column("remarks", sa.JSON(), nullable=False, server_default=sa.text("'[]'")))
    op.add_column("image_outcome", sa.Column("verdict", sa.JSON(), nullable=True))
    op.add_column("image_outcome", sa.Column("distance", sa.Float(), nullable=True))
