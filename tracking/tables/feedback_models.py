"""The table of what radiologists answer to the findings of a model."""

from sqlalchemy import BigInteger, Float, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from tracking.engine.clock import now_ms
from tracking.tables.models import UID, Base, BigId, Digest, Study
from tracking.tables.user_models import UserName


class Feedback(Base):
    """One answer of one person about one subject. Rows are never changed: a later one of the same person supersedes.

    ``subject_uid`` is what is answered: the tracking UID of a finding or region as the structured report has it
    (:func:`reporting.identity.tracking_uid`), else a UID of the image's or of the added finding's own. ``claimed`` is
    what the model said of a finding: its score was at or above its sensitive point. A box is in pixels of the source
    image, as :class:`inference.findings.Box` counts them. ``comment`` is free text and may hold patient data.
    """

    __tablename__ = "feedback"
    __table_args__ = (
        Index(None, "study_uid", "id"),
        Index("ix_feedback_subject", "subject_uid", "user_name", "id"),
        Index(None, "at"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    study_uid: Mapped[str] = mapped_column(ForeignKey(Study.study_uid))
    revision: Mapped[int]
    instance_uid: Mapped[str] = mapped_column(UID)
    subject_uid: Mapped[str] = mapped_column(UID)
    kind: Mapped[str] = mapped_column(String(8))
    label: Mapped[str] = mapped_column(String(64))
    """The package's key of the finding; empty for an image and for a finding in the reader's own words."""
    name: Mapped[str] = mapped_column(String(64))
    """What the finding is called; for one that the package does not have, the reader's own words."""
    position: Mapped[int]
    """0 for the finding itself; its regions count from 1."""
    claimed: Mapped[bool | None]
    answer: Mapped[str] = mapped_column(String(16))
    x0: Mapped[float | None] = mapped_column(Float)
    y0: Mapped[float | None] = mapped_column(Float)
    x1: Mapped[float | None] = mapped_column(Float)
    y1: Mapped[float | None] = mapped_column(Float)
    comment: Mapped[str] = mapped_column(Text)
    model_name: Mapped[str] = mapped_column(String(64))
    model_version: Mapped[str] = mapped_column(String(64))
    model_digest: Mapped[str] = mapped_column(Digest)
    user_name: Mapped[str] = mapped_column(UserName)
    at: Mapped[int] = mapped_column(BigInteger, default=now_ms())
