"""Keep whose image each instance is, and whether a study's instances name two patients.

The study's row holds what its first instance said, so that instance gets it; of later ones it is not known.

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_DESCRIBED = (
    "accession_number", "patient_id", "issuer_of_patient_id", "patient_name", "patient_birth_date", "patient_sex",
    "study_date", "study_time", "description",
)  # fmt: skip


def upgrade() -> None:
    op.add_column("study", sa.Column("valid_from", sa.Integer(), nullable=False, server_default=sa.text("1")))
    op.add_column("study", sa.Column("conflict_since", sa.BigInteger(), nullable=True))
    op.create_index(op.f("ix_study_conflict_since"), "study", ["conflict_since"])
    for table in ("instance", "conflict"):
        for name in _DESCRIBED:
            op.add_column(table, sa.Column(name, sa.Text(), nullable=True))
        op.add_column(table, sa.Column("repeated", sa.Text(), nullable=False, server_default=sa.text("''")))
    op.add_column("instance", sa.Column("rejected", sa.String(16), nullable=True))
    op.add_column("conflict", sa.Column("series_uid", sa.String(64), nullable=True))
    op.add_column("conflict", sa.Column("sop_class_uid", sa.String(64), nullable=True))
    op.add_column("conflict", sa.Column("transfer_syntax_uid", sa.String(64), nullable=True))
    op.add_column("conflict", sa.Column("modality", sa.Text(), nullable=True))
    op.add_column("conflict", sa.Column("called_ae", sa.String(16), nullable=True))
    op.add_column("conflict", sa.Column("state", sa.String(12), nullable=False, server_default=sa.text("'waiting'")))
    op.create_index(op.f("ix_conflict_study_uid"), "conflict", ["study_uid"])
    _describe_first_instances()


def _describe_first_instances() -> None:
    study = sa.table("study", sa.column("study_uid"), *(sa.column(name) for name in _DESCRIBED))
    instance = sa.table(
        "instance", sa.column("instance_uid"), sa.column("study_uid"), sa.column("received_at"),
        *(sa.column(name) for name in _DESCRIBED),
    )  # fmt: skip
    other = instance.alias("other")
    earlier = sa.exists().where(
        other.c.study_uid == instance.c.study_uid,
        sa.or_(
            other.c.received_at < instance.c.received_at,
            sa.and_(other.c.received_at == instance.c.received_at, other.c.instance_uid < instance.c.instance_uid),
        ),
    )
    values = {
        name: sa.select(study.c[name]).where(study.c.study_uid == instance.c.study_uid).scalar_subquery()
        for name in _DESCRIBED
    }
    op.execute(instance.update().where(~earlier).values(values))
