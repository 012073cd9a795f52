"""Sending the canary through the node's own receiver, and looking what became of it."""

import contextlib
import datetime as dt
import tempfile
import uuid
from dataclasses import replace
from pathlib import Path

from sqlalchemy import select

from config.errors import ActionRefused, CxrnodeError
from config.logs import get_logger
from config.settings import Settings
from tracking.engine.clock import now_ms
from tracking.engine.database import Database
from tracking.jobs import canary
from tracking.jobs.canary import Canary, State
from tracking.lists import queries
from tracking.studies.deletion import Stores, delete_study

log = get_logger(__name__)
_SEED, _DENSITY, _SIZE = 10, 1.5, 1024
"""A phantom with an opacity that the shipped model finds."""
_EVERY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 - listened on, not called


def keep_up(settings: Settings, database: Database) -> None:
    """Look what became of the last canary, and send the next one when it is due; for one of all workers."""
    if settings.canary.every_minutes is None:
        return
    _look(settings, database)
    study_uid = f"2.25.{uuid.uuid4().int}"
    with database.transaction() as tx:
        due = canary.begin(tx, settings.canary, study_uid)
        last = canary.last_canary(tx)
    if last is not None and (due or last.state is State.NOT_SENT):
        _send(settings, database, last)


def _look(settings: Settings, database: Database) -> None:
    with database.reading() as read:
        last = canary.last_canary(read)
        if last is None or last.state not in {State.UNDER_WAY, State.LATE}:
            return
        now = read.scalar(select(now_ms())) or 0
        judged = canary.judge(last, queries.find_study(read, last.study_uid), settings.canary, now)
    if judged == last:
        return
    with database.transaction() as tx:
        canary.keep(tx, judged)
    if judged.state is State.GOOD:
        _delete_earlier(settings, database, judged)
    else:
        log.error("canary-failed", study_uid=judged.study_uid, status=judged.state, reason=judged.reason)


def _send(settings: Settings, database: Database, last: Canary) -> None:
    """Send a canary as a modality would; what fails is tried again at the next look."""
    from dicom_node.storage_scu.send import store
    from dicom_node.storage_scu.target import Target

    host = _EVERY_ADDRESS.get(settings.receive.host, settings.receive.host)
    called, calling = settings.node.ae_title, settings.canary.calling_ae_title
    target = Target(host=host, port=settings.receive.port, called_ae=called, calling_ae=calling)
    sent = replace(last, state=State.UNDER_WAY, reason="")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "canary.dcm"
        write_canary(file, last.study_uid)
        try:
            (outcome,) = store([file], target)
            if not outcome.stored:
                sent = replace(last, state=State.NOT_SENT, reason=outcome.message)
        except CxrnodeError as error:
            sent = replace(last, state=State.NOT_SENT, reason=str(error))
    if sent != last:
        with database.transaction() as tx:
            canary.keep(tx, sent)
    if sent.state is State.NOT_SENT:
        log.error("canary-failed", study_uid=sent.study_uid, status=sent.state, reason=sent.reason)


def write_canary(file: Path, study_uid: str) -> None:
    """Write a phantom of the canary's patient; all canaries have the same pixels."""
    from cxrnode.phantom import choose_opacities, phantom_dataset

    opacities = tuple(replace(patch, density=_DENSITY) for patch in choose_opacities(_SEED))
    dataset = phantom_dataset(
        _SEED, opacity=opacities, size=_SIZE, study_uid=study_uid, patient=canary.PATIENT_NAME,
        patient_id=canary.PATIENT_ID, acquired=dt.datetime.now().astimezone(),
    )  # fmt: skip
    dataset.AccessionNumber = "CANARY"
    dataset.IssuerOfPatientID = "CXRNODE"
    dataset.save_as(file, enforce_file_format=True)


def _delete_earlier(settings: Settings, database: Database, last: Canary) -> None:
    stores = Stores(settings.instance_dir, settings.document_dir)
    with database.reading() as read:
        earlier = canary.earlier_canaries(read, last, settings.canary.calling_ae_title)
    for study_uid in earlier:
        with contextlib.suppress(ActionRefused), database.transaction() as tx:
            delete_study(tx, study_uid, why="an earlier canary", stores=stores, user=canary.SCHEDULE)
