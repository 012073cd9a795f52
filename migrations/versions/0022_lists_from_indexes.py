"""An index of the few deliveries that failed, and searches by study date from indexes alone.

Revision ID: 0022
Revises: 0021
"""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

_SEARCHED = {
    "study_uid": ("varchar_pattern_ops", []),
    "patient_id": ("text_pattern_ops", ["study_uid"]),
    "patient_name": ("text_pattern_ops", ["study_uid"]),
    "accession_number": ("text_pattern_ops", ["study_uid"]),
}


def upgrade() -> None:
    failed = sa.text("error IS NOT NULL AND state IN ('waiting', 'stopped')")
    op.create_index(
        "ix_delivery_failed", "delivery", ["destination", "id"], sqlite_where=failed, postgresql_where=failed
    )
    _search_indexes(["received_at", "study_date"])


def downgrade() -> None:
    op.drop_index("ix_delivery_failed", "delivery")
    _search_indexes(["received_at"])


def _search_indexes(dates: list[str]) -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    for column, (operators, include) in _SEARCHED.items():
        name = f"ix_standing_{column}"
        op.drop_index(name, "standing")
        op.create_index(
            name, "standing", [column], postgresql_ops={column: operators}, postgresql_include=[*dates, *include]
        )
