"""Keep where each study stands, with an index for each filter and order of the lists.

The rows are derived from all other tables by the version in force, so they are not made here:
:func:`tracking.engine.schema.upgrade` fills them once the schema is this version's.

Revision ID: 0008
Revises: 0007
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("study", sa.Column("urgent", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.drop_index("ix_study_last_received_at", "study")
    op.drop_index("ix_study_conflict_since", "study")
    _create_partial_index("ix_study_in_conflict", "study", ["conflict_since"], "conflict_since IS NOT NULL")
    _create_standing()
    _create_stated_finding()
    op.drop_index("ix_delivery_destination", "delivery")
    op.create_index("ix_delivery_destination_state", "delivery", ["destination", "state"])
    op.create_index("ix_delivery_state_finished_at", "delivery", ["state", "finished_at"])
    op.drop_index("ix_audit_event_study_uid", "audit_event")
    op.create_index("ix_audit_event_study_uid_seq", "audit_event", ["study_uid", "seq"])
    op.create_index("ix_image_outcome_instance_uid", "image_outcome", ["instance_uid"])
    _create_partial_index("ix_job_stopped", "job", ["queue"], "state = 'stopped'")
    _create_partial_index("ix_document_quarantined", "document", ["analysis_id"], "quarantined IS NOT NULL")
    _create_partial_index("ix_conflict_waiting", "conflict", ["instance_uid"], "state = 'waiting'")


def _create_standing() -> None:
    op.create_table(
        "standing",
        sa.Column("study_uid", sa.String(64), nullable=False),
        sa.Column("status", sa.String(12), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("study_date", sa.String(8), nullable=False),
        sa.Column("patient_id", sa.Text(), nullable=False),
        sa.Column("patient_name", sa.Text(), nullable=False),
        sa.Column("accession_number", sa.Text(), nullable=False),
        sa.Column("calling_ae", sa.String(16), nullable=False),
        sa.Column("urgent", sa.Boolean(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("analysis_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("model", sa.String(130), nullable=True),
        sa.Column("score", sa.Float(), nullable=True),
        sa.Column("images", sa.Integer(), nullable=False),
        sa.Column("rejected", sa.Integer(), nullable=False),
        sa.Column("kept_aside", sa.Integer(), nullable=False),
        sa.Column("left_out", sa.Integer(), nullable=False),
        sa.Column("deliveries", sa.Integer(), nullable=False),
        sa.Column("delivered", sa.Integer(), nullable=False),
        sa.Column("shown", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("study_uid", name="pk_standing"),
        sa.ForeignKeyConstraint(
            ["study_uid"], ["study.study_uid"], name="fk_standing_study_uid_study", ondelete="CASCADE"
        ),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_standing_calling_ae_received_at_study_uid", "standing", ["calling_ae", "received_at", "study_uid"]
    )
    if op.get_bind().dialect.name == "sqlite":
        for order in ("received_at", "study_date"):
            filtered = ["status", "calling_ae", "urgent", "patient_id", "patient_name", "accession_number"]
            op.create_index(f"ix_standing_by_{order}", "standing", [order, "study_uid", *filtered])
    else:
        _index_standing_on_postgresql()
    for column in ("kept_aside", "left_out"):
        _create_partial_index(f"ix_standing_{column}", "standing", ["received_at"], f"{column} > 0")


def _index_standing_on_postgresql() -> None:
    op.create_index("ix_standing_received_at_study_uid", "standing", ["received_at", "study_uid"])
    op.create_index("ix_standing_study_date_study_uid", "standing", ["study_date", "study_uid"])
    op.create_index("ix_standing_status_received_at_study_uid", "standing", ["status", "received_at", "study_uid"])
    op.create_index("ix_standing_urgent", "standing", ["received_at", "study_uid"], postgresql_where=sa.text("urgent"))
    for column, operators in (
        ("study_uid", "varchar_pattern_ops"), ("patient_id", "text_pattern_ops"), ("patient_name", "text_pattern_ops"),
        ("accession_number", "text_pattern_ops"),
    ):  # fmt: skip
        op.create_index(f"ix_standing_{column}", "standing", [column], postgresql_ops={column: operators})


def _create_stated_finding() -> None:
    op.create_table(
        "stated_finding",
        sa.Column("study_uid", sa.String(64), nullable=False),
        sa.Column("label", sa.String(64), nullable=False),
        sa.Column("level", sa.String(16), nullable=False),
        sa.Column("score", sa.Float(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("study_date", sa.String(8), nullable=False),
        sa.Column("status", sa.String(12), nullable=False),
        sa.Column("calling_ae", sa.String(16), nullable=False),
        sa.Column("urgent", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("study_uid", "label", name="pk_stated_finding"),
        sa.ForeignKeyConstraint(
            ["study_uid"], ["standing.study_uid"], name="fk_stated_finding_study_uid_standing", ondelete="CASCADE"
        ),
    )
    op.create_index(
        "ix_stated_finding_label", "stated_finding",
        ["label", "received_at", "study_uid", "study_date", "status", "calling_ae", "urgent"],
    )  # fmt: skip


def _create_partial_index(name: str, table: str, columns: list[str], where: str) -> None:
    op.create_index(name, table, columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))
