"""Indexes for searches by a short text, and for a finding by study date or by status, among a million studies.

Revision ID: 0021
Revises: 0020
"""

from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

_SEARCHED = {
    "study_uid": ("varchar_pattern_ops", ["received_at"]),
    "patient_id": ("text_pattern_ops", ["received_at", "study_uid"]),
    "patient_name": ("text_pattern_ops", ["received_at", "study_uid"]),
    "accession_number": ("text_pattern_ops", ["received_at", "study_uid"]),
}
_OF_FINDINGS = {
    "ix_stated_finding_by_study_date": ["label", "study_date", "study_uid"],
    "ix_stated_finding_status": ["label", "status", "received_at", "study_uid"],
}


def upgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    for column, (operators, include) in _SEARCHED.items():
        _search_index(column, operators, include)
    for name, columns in _OF_FINDINGS.items():
        op.create_index(name, "stated_finding", columns)


def downgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    for name in _OF_FINDINGS:
        op.drop_index(name, "stated_finding")
    for column, (operators, _) in _SEARCHED.items():
        _search_index(column, operators, [])


def _search_index(column: str, operators: str, include: list[str]) -> None:
    name = f"ix_standing_{column}"
    op.drop_index(name, "standing")
    op.create_index(name, "standing", [column], postgresql_ops={column: operators}, postgresql_include=include or None)
