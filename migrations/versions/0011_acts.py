"""Withdrawn studies, notes that take documents back, captures that stay, paused destinations, deleted studies.

Revision ID: 0011
Revises: 0010
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    big_id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.add_column("study", sa.Column("withdrawn", sa.Integer(), nullable=True))
    op.add_column("study", sa.Column("withdrawn_reason", sa.String(16), nullable=True))
    op.add_column("document", sa.Column("reason", sa.String(16), nullable=True))
    op.add_column("delivery", sa.Column("taken_back_by", big_id, nullable=True))
    op.add_column("breaker", sa.Column("held_since", sa.BigInteger(), nullable=True))
    op.create_table(
        "carried_document",
        sa.Column("analysis_id", big_id, nullable=False),
        sa.Column("document_id", big_id, nullable=False),
        sa.Column("instance_uid", sa.String(64), nullable=False),
        sa.ForeignKeyConstraint(["analysis_id"], ["analysis.id"], name="fk_carried_document_analysis_id_analysis"),
        sa.ForeignKeyConstraint(["document_id"], ["document.id"], name="fk_carried_document_document_id_document"),
        sa.PrimaryKeyConstraint("analysis_id", "document_id", name="pk_carried_document"),
    )
    op.create_index("ix_carried_document_document_id", "carried_document", ["document_id"])
    op.create_table(
        "deleted_study",
        sa.Column("study_uid", sa.String(64), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("deleted_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("study_uid", name="pk_deleted_study"),
    )
