"""Named filters of the worklist, a user's own; indexes for the last answers of a destination and for what came when.

Revision ID: 0012
Revises: 0011
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    big_id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "saved_filter",
        sa.Column("user_id", big_id, nullable=False),
        sa.Column("name", sa.String(60), nullable=False),
        sa.Column("query", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "name", name="pk_saved_filter"),
        sa.ForeignKeyConstraint(["user_id"], ["console_user.id"], name="fk_saved_filter_user_id_console_user"),
    )
    op.create_index("ix_delivery_destination_state_finished_at", "delivery", ["destination", "state", "finished_at"])
    op.drop_index("ix_delivery_destination_state", "delivery")
    if op.get_bind().dialect.name == "postgresql":
        op.drop_index("ix_standing_received_at_study_uid", "standing")
        op.create_index(
            "ix_standing_received_at_study_uid", "standing", ["received_at", "study_uid"],
            postgresql_include=["status", "calling_ae"],
        )  # fmt: skip
