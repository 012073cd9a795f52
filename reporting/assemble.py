"""The account of an analysis, put together from the database and the headers in the instance store."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from sqlalchemy.orm import Session

from config.errors import DocumentRejected, UnreadableInstance
from config.language.translation import Language, marked
from config.settings import Settings
from inference.findings import Code, ModelIdentity, Remark, RemarkKind, finding_from_json, remarks_from_json
from reporting import patients
from reporting.account import Account, AnalysedImage, SkippedImage
from reporting.source import SourceImage, read_source
from reporting.zones import direction_to_left, lungs_of
from tracking.outbox.document_kinds import REPORT
from tracking.outbox.documents import documents_out
from tracking.results.analyses import OutcomeRecord, StoredAnalysis, StoredInstance, load_analysis
from tracking.studies import conflicts

_NOTHING_SAID = marked("the model had nothing to say about it")
_UNREADABLE = marked("its header can no longer be read")


@dataclass(frozen=True, slots=True)
class Subject:
    """What is reported on: an analysis, and what destinations have or may have of those that it supersedes.

    ``corrects`` says whether there is such a document, ``before`` is the latest analysis with such a report, and
    ``earlier_classes`` are its SR classes. ``earlier`` are the analyses before it that hold, the latest first.
    """

    analysis: StoredAnalysis
    before: StoredAnalysis | None = None
    earlier_classes: tuple[str, ...] = ()
    corrects: bool = False
    earlier: tuple[StoredAnalysis, ...] = ()


def load_subject(read: Session, analysis_id: int) -> Subject:
    """Return an analysis with what it supersedes. Raises LookupError."""
    analysis = load_analysis(read, analysis_id)
    earlier = tuple(_earlier(read, analysis))
    corrects, before = False, analysis
    while before.supersedes is not None:
        before = load_analysis(read, before.supersedes)
        out = documents_out(read, before.id)
        corrects = corrects or bool(out)
        classes = tuple(sop_class for kind, sop_class in out if kind == REPORT.name and sop_class is not None)
        if classes:
            return Subject(analysis, before, classes, corrects, earlier)
    return Subject(analysis, corrects=corrects, earlier=earlier)


def _earlier(read: Session, analysis: StoredAnalysis) -> Iterator[StoredAnalysis]:
    """Yield the analyses that hold before one, back to the first."""
    before = analysis
    while before.supersedes is not None:
        before = load_analysis(read, before.supersedes)
        if conflicts.is_withheld(read, analysis.study_uid, before.revision):
            return
        yield before


def assemble_account(subject: Subject, settings: Settings) -> Account:
    """Return the account of an analysis, reading the headers of its images from the instance store.

    An image whose header can no longer be read is listed as not analysed. Where no image was analysed, the account says
    why, from the headers that can be read.

    Raises
    ------
    DocumentRejected
        No image is left to report on, the images are of two patients, or one is not what was recorded.
    """
    analysis = subject.analysis
    stored = {instance.instance_uid: instance for instance in analysis.instances}
    none_analysed = not any(outcome.findings for outcome in analysis.outcomes)
    analysed: list[AnalysedImage] = []
    skipped: list[SkippedImage] = []
    for outcome in analysis.outcomes:
        instance = stored[outcome.instance_uid]
        source = _source_of(settings, instance) if outcome.findings or none_analysed else None
        if source is not None:
            patients.require_recorded(source, analysis.study_uid, outcome.instance_uid, instance.patient)
        if source is not None and outcome.findings:
            findings = tuple(finding_from_json(finding.detail) for finding in outcome.findings)
            to_left = direction_to_left(source, remarks_from_json(outcome.remarks), outcome.verdict)
            lungs = lungs_of(to_left, outcome.verdict)
            analysed.append(AnalysedImage(source, findings, _remarks_for_readers(outcome), to_left, lungs))
        else:
            skipped.append(_skipped(outcome, instance.sop_class_uid, source))
    account = Account(
        model=model_of(analysis),
        revision=analysis.revision,
        completed_at=analysis.completed_at,
        analysed=tuple(analysed),
        skipped=tuple(skipped),
        source_uids=tuple(sorted(stored)),
        institution=settings.node.institution,
        corrects=subject.corrects,
    )
    if not account.sources:
        msg = "none of the images can be read again; restore the instance store from a backup"
        raise DocumentRejected(msg)
    patients.require_one_patient(account.sources)
    return replace(account, procedure=account.lead.procedure or Code(*settings.report.procedure_code))


def _remarks_for_readers(outcome: OutcomeRecord) -> tuple[Remark, ...]:
    """Return what a reader must know about an image; what the documents leave out is the operator's business."""
    remarks = remarks_from_json(outcome.remarks)
    return tuple(remark for remark in remarks if remark.kind is not RemarkKind.ATTRIBUTE_LEFT_OUT)


def _source_of(settings: Settings, instance: StoredInstance) -> SourceImage | None:
    """Return an image's header, in letters of the site's language; None where it can no longer be read."""
    try:
        source = read_source(settings.instance_dir / instance.path, settings.receive.default_charset)
    except UnreadableInstance:
        return None
    return source if settings.node.language is Language.ENGLISH else source.with_letters()


def _skipped(outcome: OutcomeRecord, sop_class_uid: str, source: SourceImage | None) -> SkippedImage:
    """Return an image that is not reported on, with the reason."""
    if outcome.findings:
        return SkippedImage(outcome.instance_uid, sop_class_uid, _UNREADABLE)
    because = outcome.because or _NOTHING_SAID
    return SkippedImage(outcome.instance_uid, sop_class_uid, because, outcome.code, outcome.values, source)


def model_of(analysis: StoredAnalysis) -> ModelIdentity:
    """Return which model spoke."""
    return ModelIdentity(analysis.model_name, analysis.model_version, analysis.model_digest, analysis.engine)
