"""The tables of where each study stands; :mod:`tracking.lists.standing` writes them, and the lists read them."""

from sqlalchemy import (
    BigInteger,
    Float,
    ForeignKey,
    Index,
    String,
    Text,
    false,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from tracking.tables.models import AETitle, Base, BigId, Study


class Standing(Base):
    """Where one study stands: what lists show, filter and sort by, derived from the rows of the other tables.

    Written by :mod:`tracking.lists.standing` alone, in the transaction that changes one of those rows. ``patient_id``,
    ``patient_name``, ``accession_number`` and ``study_date`` are in the form in which they are searched. ``score`` is
    the highest of the stated abnormal findings. ``shown`` is the JSON text of what only the screen needs.
    """

    __tablename__ = "standing"
    __table_args__ = ({"sqlite_with_rowid": False},)  # a page less to write for each image

    study_uid: Mapped[str] = mapped_column(ForeignKey(Study.study_uid, ondelete="CASCADE"), primary_key=True)
    status: Mapped[str] = mapped_column(String(12))
    received_at: Mapped[int] = mapped_column(BigInteger)
    study_date: Mapped[str] = mapped_column(String(8))
    patient_id: Mapped[str] = mapped_column(Text)
    patient_name: Mapped[str] = mapped_column(Text)
    accession_number: Mapped[str] = mapped_column(Text)
    calling_ae: Mapped[str] = mapped_column(AETitle)
    urgent: Mapped[bool]
    upload: Mapped[bool] = mapped_column(server_default=false())
    revision: Mapped[int]
    analysis_id: Mapped[int | None] = mapped_column(BigId)
    model: Mapped[str | None] = mapped_column(String(130))
    score: Mapped[float | None] = mapped_column(Float)
    images: Mapped[int]
    rejected: Mapped[int]
    kept_aside: Mapped[int]
    left_out: Mapped[int]
    deliveries: Mapped[int]
    delivered: Mapped[int]
    shown: Mapped[str] = mapped_column(Text)


Index(None, Standing.calling_ae, Standing.received_at, Standing.study_uid)
# SQLite, which is for tens of thousands of studies, writes a page of every index for each image: there two indexes hold
# all that lists filter and search by.
for _order in ("received_at", "study_date"):
    Index(
        f"ix_standing_by_{_order}", getattr(Standing, _order), Standing.study_uid, Standing.status, Standing.calling_ae,
        Standing.urgent, Standing.patient_id, Standing.patient_name, Standing.accession_number, Standing.upload,
    ).ddl_if("sqlite")  # fmt: skip
Index(
    None, Standing.received_at, Standing.study_uid, postgresql_include=["status", "calling_ae", "upload"]
).ddl_if("postgresql")  # fmt: skip  # the flow is counted from the index alone
Index(None, Standing.study_date, Standing.study_uid).ddl_if("postgresql")
Index(None, Standing.status, Standing.received_at, Standing.study_uid).ddl_if("postgresql")
Index("ix_standing_urgent", Standing.received_at, Standing.study_uid, postgresql_where=text("urgent")).ddl_if(
    "postgresql"
)
for _column, _operators in (
    ("study_uid", "varchar_pattern_ops"), ("patient_id", "text_pattern_ops"), ("patient_name", "text_pattern_ops"),
    ("accession_number", "text_pattern_ops"),
):  # fmt: skip
    Index(
        f"ix_standing_{_column}", getattr(Standing, _column), postgresql_ops={_column: _operators},
        postgresql_include=["received_at", "study_date", *({"study_uid"} - {_column})],
    ).ddl_if("postgresql")  # fmt: skip  # a short text begins a tenth of all: sorted from the index alone
for _count in ("kept_aside", "left_out"):
    _some = text(f"{_count} > 0")
    Index(f"ix_standing_{_count}", Standing.received_at, sqlite_where=_some, postgresql_where=_some)


class StatedFinding(Base):
    """One stated abnormal finding of a study at or above a point, with the columns that lists filter and sort by."""

    __tablename__ = "stated_finding"

    study_uid: Mapped[str] = mapped_column(ForeignKey(Standing.study_uid, ondelete="CASCADE"), primary_key=True)
    label: Mapped[str] = mapped_column(String(64), primary_key=True)
    level: Mapped[str] = mapped_column(String(16))
    score: Mapped[float] = mapped_column(Float)
    received_at: Mapped[int] = mapped_column(BigInteger)
    study_date: Mapped[str] = mapped_column(String(8))
    status: Mapped[str] = mapped_column(String(12))
    calling_ae: Mapped[str] = mapped_column(AETitle)
    urgent: Mapped[bool]


Index(
    "ix_stated_finding_label", StatedFinding.label, StatedFinding.received_at, StatedFinding.study_uid,
    StatedFinding.study_date, StatedFinding.status, StatedFinding.calling_ae, StatedFinding.urgent,
)  # fmt: skip
Index("ix_stated_finding_by_study_date", StatedFinding.label, StatedFinding.study_date, StatedFinding.study_uid).ddl_if(
    "postgresql"
)
Index(
    "ix_stated_finding_status", StatedFinding.label, StatedFinding.status, StatedFinding.received_at,
    StatedFinding.study_uid,
).ddl_if("postgresql")  # fmt: skip
