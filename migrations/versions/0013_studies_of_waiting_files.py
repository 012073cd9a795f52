"""Put the studies on record that only files kept aside name, and derive anew where studies stand.

A file that waits under a known SOP Instance UID is found by its own study and patient, which needs a row of that study.
The rows of where studies stand have one more fact; :func:`tracking.engine.schema.upgrade` makes them.

Revision ID: 0013
Revises: 0012
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_DESCRIBED = (
    "study_uid", "accession_number", "patient_id", "issuer_of_patient_id", "patient_name", "patient_birth_date",
    "patient_sex", "study_date", "study_time", "description",
)  # fmt: skip

_COUNTS = ("revision", "valid_from", "urgent", "first_received_at", "last_received_at")


def upgrade() -> None:
    described: list[sa.ColumnClause[Any]] = [sa.column(name) for name in _DESCRIBED]
    conflict = sa.table("conflict", *described, sa.column("id"), sa.column("state"), sa.column("received_at"))
    counts: list[sa.ColumnClause[Any]] = [sa.column(name) for name in _COUNTS]
    study = sa.table("study", *(sa.column(name) for name in _DESCRIBED), *counts)
    for derived in ("stated_finding", "standing"):
        op.execute(sa.table(derived).delete())
    first = (
        sa.select(sa.func.min(conflict.c.id))
        .where(conflict.c.state == "waiting", conflict.c.patient_id.is_not(None))
        .where(conflict.c.study_uid.not_in(sa.select(study.c.study_uid)))
        .group_by(conflict.c.study_uid)
    )
    rows = sa.select(
        *(conflict.c[name] for name in _DESCRIBED), sa.literal(0), sa.literal(1), sa.false(), conflict.c.received_at,
        conflict.c.received_at,
    ).where(conflict.c.id.in_(first))  # fmt: skip
    op.execute(study.insert().from_select([*_DESCRIBED, *_COUNTS], rows))
