"""One file, two ways: what ``cxrnode analyse`` and the page Analyse answer is what the node answers."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from config.settings import Settings
from dicom_node.storage_scp.receive import Receiver
from dicom_node.storage_scu import send
from dicom_node.storage_scu.target import Target
from inference.analyse import Analyser, outcome_record
from inference.file_analysis import analyse_content
from inference.findings import ImageResult
from inference.not_analysed import NotAnalysed, Reason
from inference.worker import AnalyseHandler, ExamineHandler, Examiner
from tracking.engine import schema
from tracking.engine.database import Database
from tracking.jobs.loop import Handler, Lane, WorkLoop
from tracking.lists import queries
from tracking.results.analyses import OutcomeRecord, load_analysis
from tracking.tables.models import Analysis, Instance

pytestmark = pytest.mark.filterwarnings("ignore")
SAME_UID = {"D33", "D89"}
"""Cases with the study or the image of another case: they come to a node of their own."""
Answer = OutcomeRecord | str


@pytest.fixture(scope="module")
def analyser() -> Analyser:
    return Analyser(Settings().inference)


def by_node(settings: Settings, files: Iterable[Path]) -> dict[str, Answer]:
    """Send files to a node that takes every class and analyses them; return what came of each, by the file's name."""
    receive = settings.receive.model_copy(update={"accept": ("any-image",)})
    settings = settings.model_copy(update={"receive": receive})
    database = Database.open(settings.database_url())
    schema.upgrade(database)
    receiver = Receiver(settings, database)
    receiver.start()
    try:
        target = Target("127.0.0.1", receiver.port, "CXRNODE", "RAW", response_seconds=60)
        sent = list(send.store(list(files), target))
        examiner = Examiner(settings)
        handlers: dict[str, Handler] = {
            "examine": ExamineHandler(examiner, database),
            "analyse": AnalyseHandler(examiner, database),
        }
        lanes = [Lane((name,)) for name in handlers]
        WorkLoop(database, handlers, lanes, settings.work, settings.delivery).run_until_idle(300)
        recorded = dict(_recorded(database))
        refused = {outcome.path.name: f"status {outcome.status_text}" for outcome in sent if not outcome.stored}
        return {outcome.path.name: recorded.get(outcome.instance_uid, "") for outcome in sent} | refused
    finally:
        receiver.stop(drain_seconds=0.2)
        database.close()


def _recorded(database: Database) -> Iterator[tuple[str, Answer]]:
    with database.reading() as read:
        for analysis in read.scalars(select(Analysis.id)):
            for outcome in load_analysis(read, analysis).outcomes:
                yield outcome.instance_uid, outcome
        for study in queries.studies_in_conflict(read):
            for uid in read.scalars(select(Instance.instance_uid).where(Instance.study_uid == study)):
                yield uid, "held"


def by_file(analyser: Analyser, path: Path, instance_uid: str) -> Answer:
    """Return what is said of a file in hand, in the terms of :func:`by_node`."""
    analysis = analyse_content(analyser, path.read_bytes(), Settings().inference.max_pixels).analysis
    if isinstance(analysis.outcome, NotAnalysed) and analysis.outcome.reason is Reason.NOT_ADMITTED:
        (status,) = re.findall(r"status [0-9A-F]{4}", analysis.outcome.because)
        return str(status)
    if isinstance(analysis.outcome, NotAnalysed) and analysis.outcome.reason is Reason.PATIENT:
        return "held"
    return outcome_record(ImageResult(instance_uid, analysis))


def test_every_case_gets_the_same_answer_both_ways(
    cxr_cases: Path, settings: Settings, analyser: Analyser, tmp_path: Path
) -> None:
    files = sorted((cxr_cases / "dicom").glob("*.dcm"))
    apart = [path for path in files if path.name[:3] in SAME_UID]
    other = settings.model_copy(update={"node": settings.node.model_copy(update={"data_dir": tmp_path / "other"})})
    answers = by_node(settings, [path for path in files if path not in apart]) | by_node(other, apart)
    assert len(answers) == len(files)
    for path in files:
        expected = answers[path.name]
        uid = expected.instance_uid if isinstance(expected, OutcomeRecord) else ""
        assert by_file(analyser, path, uid) == expected, path.name
    assert {answers[path.name] for path in files if path.name[:3] in {"D05", "D29"}} == {"status 0117", "held"}
