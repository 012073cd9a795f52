"""Why an image was not analysed, by code and values; the sentence of an earlier version stays as it is.

Revision ID: 0019
Revises: 0018
"""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("image_outcome", sa.Column("code", sa.String(40), nullable=True))
    op.add_column("image_outcome", sa.Column("code_values", sa.JSON(), nullable=True))


def downgrade() -> None:
    for column in ("code_values", "code"):
        op.drop_column("image_outcome", column)
