"""Uploading: what a user brings becomes a study of its own, with the model's answer, or is refused in words.

The file is made a DICOM object, analysed and made durable; then one transaction records all of it. So a failure before
that leaves nothing on record, and whoever is told that a study is kept finds it whole.
"""

import importlib.metadata
import io
import time
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from config.errors import UndecodablePixels, UnreadableInstance
from config.settings import Settings
from console.answers import Answers
from console.upload import SentFile
from dicom_node.storage_scp.upload_store import UploadStore
from inference.findings import Finding, ImageAnalysis, ImageResult, ModelIdentity, finding_to_json
from inference.not_analysed import NotAnalysed, Reason, ReasonCode
from reporting.claims import ClaimedFinding, claims_of
from tracking.engine.database import Database
from tracking.lists.study_page import FindingDetail
from tracking.people.users import Actor
from tracking.results.analyses import AnalysisRecord
from tracking.results.image_results import AnalyserIdentity, ImageRecord
from tracking.studies.uploads import CALLING_AE, NewUpload, record_upload

if TYPE_CHECKING:
    from inference.analyse import Analyser
    from inference.pixels.image_file import FileKind

_NOTHING_TO_SHOW = frozenset({Reason.SOP_CLASS, Reason.MODALITY, Reason.UNREADABLE})
"""Reasons of files of which nothing is kept: they hold no radiograph that a page could show."""


@dataclass(frozen=True, slots=True)
class UploadAnswer:
    """What became of one file."""

    name: str
    kind: str | None
    """PNG, JPEG or DICOM; None for any other file, and for one that was not looked at."""
    study_uid: str | None
    """Its study; None where nothing was kept."""
    analysis: ImageAnalysis
    model: ModelIdentity | None
    """Which model was asked; None where none was."""
    seconds: float = 0.0

    @property
    def because(self) -> str | None:
        """Return why it was not analysed, in the language in force; None where it was."""
        outcome = self.analysis.outcome
        return outcome.words if isinstance(outcome, NotAnalysed) else None

    @property
    def claims(self) -> tuple[ClaimedFinding[FindingDetail], ...]:
        """Return what is stated and scored, in the order of every document; nothing where it was not analysed."""
        outcome = self.analysis.outcome
        return () if isinstance(outcome, NotAnalysed) else tuple(claims_of([_detail(entry) for entry in outcome]))


def _detail(finding: Finding) -> FindingDetail:
    """Return a finding as the pages show those on record."""
    return FindingDetail(
        "", finding.label, finding.code.meaning, finding.score, finding.level.value, finding.abnormal,
        finding_to_json(finding),
    )  # fmt: skip


class Uploads:
    """Takes files of users. Safe to share between threads."""

    def __init__(self, settings: Settings, database: Database, answers: Answers) -> None:
        self._settings = settings
        self._database = database
        self._answers = answers
        self._store = UploadStore(settings)

    def take(self, sent: SentFile, model: str, by: Actor) -> UploadAnswer:
        """Analyse a file and keep it as a study, or say why not.

        Raises
        ------
        StorageFull
            There is no room for it.
        UnknownModel
            No model of this name is installed.
        CxrnodeError
            The model cannot be opened.
        """
        if sent.size > self._settings.console.upload_bytes:
            return UploadAnswer(sent.name, None, None, self._answers.too_large(), None)
        start = time.perf_counter()
        kind, encoded = self._object_of(sent.file.file.read())
        if isinstance(encoded, NotAnalysed):
            return UploadAnswer(sent.name, kind, None, ImageAnalysis(encoded), None)
        with self._answers.asked(model) as analyser:
            answer = self._keep(sent.name, str(kind), encoded, analyser, by)
        return UploadAnswer(
            answer.name, answer.kind, answer.study_uid, answer.analysis, answer.model, time.perf_counter() - start
        )

    def _object_of(self, content: bytes) -> "tuple[FileKind | None, bytes | NotAnalysed]":
        """Return what a file is, and the DICOM object that it becomes, or why it becomes none."""
        from dicom_node.format import upload_object
        from inference.file_analysis import NOT_AN_IMAGE, refusal_as_received  # which bring the decoders
        from inference.pixels.grey_values import stored_values_of
        from inference.pixels.image_file import HEAD_BYTES, FileKind, file_kind, read_image_file

        kind = file_kind(content[:HEAD_BYTES])
        try:
            if kind is None:
                return None, NOT_AN_IMAGE
            if kind is FileKind.DICOM:
                return kind, refusal_as_received(content) or upload_object.under_own_uids(content)
            image = read_image_file(io.BytesIO(content), self._settings.inference.max_pixels, (kind,))
            bits, values = stored_values_of(image)
            grey = upload_object.GreyImage(image.rows, image.columns, bits, values, kind.value, len(content))
            version = importlib.metadata.version("cxrnode")
            return kind, upload_object.secondary_capture(grey, version, datetime.now().astimezone())
        except UndecodablePixels as error:
            return kind, NotAnalysed(ReasonCode.UNDECODABLE, {"detail": str(error)})
        except (UnreadableInstance, ValueError) as error:
            return kind, NotAnalysed(ReasonCode.NO_OBJECT, {"detail": str(error)})

    def _keep(self, name: str, kind: str, encoded: bytes, analyser: "Analyser", by: Actor) -> UploadAnswer:
        from inference.analyse import StageTimes, outcome_record

        times, start = StageTimes(), time.perf_counter()
        analysis, _ = analyser.analyse_dicom(encoded, times, has_header=kind == "DICOM")
        seconds = time.perf_counter() - start
        if isinstance(analysis.outcome, NotAnalysed) and analysis.outcome.reason in _NOTHING_TO_SHOW:
            return UploadAnswer(name, kind, None, analysis, analyser.identity)
        incoming = self._store.keep(encoded, calling_ae=CALLING_AE, address=by.address)
        model, study_uid = analyser.identity, incoming.study.study_uid
        outcome = outcome_record(ImageResult(incoming.instance_uid, analysis))
        new = NewUpload(
            incoming, kind,
            AnalysisRecord(
                study_uid, 1, model.name, model.version, model.digest, model.engine, seconds, (outcome,), times.seconds
            ),
            ImageRecord(outcome, incoming.sha256, seconds, times.seconds),
            AnalyserIdentity(analyser.digest, model.digest),
        )  # fmt: skip
        with self._database.transaction() as tx:
            record_upload(tx, new, by=by)
        return UploadAnswer(name, kind, study_uid, analysis, model)
