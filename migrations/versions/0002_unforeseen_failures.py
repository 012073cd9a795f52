"""Failures of a job that nobody foresaw, counted apart from those of a peer that is away.

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("job", sa.Column("unforeseen", sa.Integer(), nullable=False, server_default=sa.text("0")))
