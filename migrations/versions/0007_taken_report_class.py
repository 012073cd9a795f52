"""Which class of structured report each destination takes.

Revision ID: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "taken_report_class",
        sa.Column("destination", sa.String(40), nullable=False),
        sa.Column("sop_class_uid", sa.String(64), nullable=True),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("destination", name="pk_taken_report_class"),
    )
