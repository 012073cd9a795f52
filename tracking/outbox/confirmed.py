"""Whether others have what this node made of a study: the one question that deletion by rule asks."""

from sqlalchemy import exists, or_, select
from sqlalchemy.orm import Session

from tracking.outbox.confirmations import Confirmation
from tracking.outbox.states import OVERTAKEN, SETTLED, WITHHELD
from tracking.tables.models import Analysis, Delivery, Document

_ENDED = (*SETTLED, OVERTAKEN, WITHHELD)


def is_confirmed(read: Session, study_uid: str) -> bool:
    """Say whether destinations confirmed what there is to have of a study.

    Nothing of it waits, has stopped, or awaits the confirmation that its destination is asked for; and where there is
    a document, at least one destination has one: a result that nobody else has is not confirmed.
    """
    documents = select(Document.id).join(Analysis).where(Analysis.study_uid == study_uid)
    deliveries = exists().where(Delivery.document_id.in_(documents))
    awaited = Delivery.confirmation == Confirmation.AWAITED
    if read.scalar(select(deliveries.where(or_(Delivery.state.not_in(_ENDED), awaited)))):
        return False
    if read.scalar(select(deliveries.where(Delivery.state == "delivered"))):
        return True
    return not read.scalar(select(documents.exists()))
