"""Uploads: studies of a kind of their own, with whose they are and whether they may leave.

Revision ID: 0015
Revises: 0014
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_LISTED = ["study_uid", "status", "calling_ae", "urgent", "patient_id", "patient_name", "accession_number"]


def upgrade() -> None:
    op.add_column("study", sa.Column("kind", sa.String(8), nullable=False, server_default=sa.text("'received'")))
    op.add_column("standing", sa.Column("upload", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_table(
        "upload",
        sa.Column("study_uid", sa.String(64), nullable=False),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("file_kind", sa.String(8), nullable=False),
        sa.Column("uploaded_at", sa.BigInteger(), nullable=False),
        sa.Column("released_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("study_uid", name="pk_upload"),
        sa.ForeignKeyConstraint(["study_uid"], ["study.study_uid"], name="fk_upload_study_uid_study"),
    )
    op.create_index("ix_upload_uploaded_at", "upload", ["uploaded_at"])
    if op.get_bind().dialect.name == "postgresql":
        op.drop_index("ix_standing_received_at_study_uid", "standing")
        op.create_index(
            "ix_standing_received_at_study_uid", "standing", ["received_at", "study_uid"],
            postgresql_include=["status", "calling_ae", "upload"],
        )  # fmt: skip
        return
    for order in ("received_at", "study_date"):  # counts and lists are answered from these indexes alone
        op.drop_index(f"ix_standing_by_{order}", "standing")
        op.create_index(f"ix_standing_by_{order}", "standing", [order, *_LISTED, "upload"])


def downgrade() -> None:
    postgresql = op.get_bind().dialect.name == "postgresql"
    for order in ("received_at", "study_date"):
        if not postgresql:
            op.drop_index(f"ix_standing_by_{order}", "standing")
            op.create_index(f"ix_standing_by_{order}", "standing", [order, *_LISTED])
    if postgresql:
        op.drop_index("ix_standing_received_at_study_uid", "standing")
        op.create_index(
            "ix_standing_received_at_study_uid", "standing", ["received_at", "study_uid"],
            postgresql_include=["status", "calling_ae"],
        )  # fmt: skip
    op.drop_table("upload")
    op.execute("ALTER TABLE standing DROP COLUMN upload")  # no batch, which would rebuild the table with its rowid
    op.execute("ALTER TABLE study DROP COLUMN kind")
