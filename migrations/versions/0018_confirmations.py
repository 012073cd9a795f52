"""What confirms a delivery, and the storage commitment requests that ask for it.

Revision ID: 0018
Revises: 0017
"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_AWAITED = sa.text("confirmation = 'awaited'")


def upgrade() -> None:
    op.add_column("delivery", sa.Column("confirmation", sa.String(12), nullable=True))
    op.add_column("delivery", sa.Column("confirmed_at", sa.BigInteger(), nullable=True))
    op.add_column("delivery", sa.Column("unconfirmed", sa.Integer(), server_default=sa.text("0"), nullable=False))
    op.create_index(
        "ix_delivery_awaited", "delivery", ["destination", "document_id"],
        sqlite_where=_AWAITED, postgresql_where=_AWAITED,
    )  # fmt: skip
    op.create_table(
        "commitment",
        sa.Column("id", _BIG_ID, nullable=False),
        sa.Column("delivery_id", _BIG_ID, nullable=False),
        sa.Column("transaction_uid", sa.String(64), nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("failure_reason", sa.Integer(), nullable=True),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.Column("answered_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["delivery_id"], ["delivery.id"], name="fk_commitment_delivery_id_delivery", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_commitment"),
        sa.UniqueConstraint("transaction_uid", name="uq_commitment_transaction_uid"),
    )
    op.create_index("ix_commitment_delivery_id", "commitment", ["delivery_id"])


def downgrade() -> None:
    op.drop_table("commitment")
    op.drop_index("ix_delivery_awaited", "delivery")
    for column in ("unconfirmed", "confirmed_at", "confirmation"):
        op.drop_column("delivery", column)
