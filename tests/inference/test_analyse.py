"""A study revision in, one recorded analysis out, whatever its files are."""

import hashlib
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import dcmwrite
from pydicom.uid import JPEG2000Lossless
from sqlalchemy import select

from config.errors import PackageError, SettingsError
from config.settings import OperatingPointSettings, Settings
from inference import model
from inference.analyse import STAGES, Analyser, StageTimes, outcome_record
from inference.findings import (
    ImageAnalysis,
    ImageResult,
    Level,
    Remark,
    RemarkKind,
    finding_from_json,
    remarks_from_json,
)
from inference.not_analysed import NotAnalysed, Reason, ReasonCode
from inference.package import ModelPackage
from inference.pixels import Picture, read_picture
from inference.worker import AnalyseHandler, Examiner
from tests.codestreams import compress
from tests.phantoms import draw
from tracking.engine.database import Database
from tracking.jobs.loop import Lane, WorkLoop
from tracking.results.analyses import StoredAnalysis, load_analysis
from tracking.studies.instances import IncomingInstance, StudyHeader, register_instance
from tracking.tables.models import Analysis, Job

STUDY = "2.25.77"


class SteadyEngine:
    """Gives the same clear answer for every picture: an opacity with one box."""

    name = "steady 1 cpu"

    def forward(self, batch: np.ndarray[Any, Any]) -> list[np.ndarray[Any, Any]]:
        assert batch.shape == (1, 64, 96, 1)
        heat = np.full((1, 8, 12, 1), -9.0, np.float32)
        heat[0, 3, 6, 0] = 2.0
        return [np.array([[0.0, 0.0, 3.0]], np.float32), heat, np.full((1, 8, 12, 4), 0.25, np.float32)]


@pytest.fixture
def node(settings: Settings, hollow_package: ModelPackage, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of a node whose model is the steady engine."""
    monkeypatch.setattr(model, "open_engine", lambda package, _settings: SteadyEngine())
    settings.instance_dir.mkdir(parents=True)
    # These files hold ramps, which no verdict takes for a chest: 0 takes every image.
    changes = {"package": str(hollow_package.folder), "verdict_threshold": 0.0}
    chosen = settings.inference.model_copy(update=changes)
    return settings.model_copy(update={"inference": chosen})


def receive(node: Settings, database: Database, content: Any, number: int) -> str:
    """Put a data set, a file or bytes into the instance store, as the receiver does."""
    uid, path = f"2.25.{number}", node.instance_dir / f"{number}.dcm"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif isinstance(content, Path):
        shutil.copyfile(content, path)
    else:
        dcmwrite(path, content, enforce_file_format=True)
    incoming = IncomingInstance(
        instance_uid=uid, sop_class_uid="1.2.840.10008.5.1.4.1.1.1", series_uid="2.25.9",
        transfer_syntax_uid="1.2.840.10008.1.2.1", modality="CR", sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        size=path.stat().st_size, path=path.name, calling_ae="A", called_ae="B", address="127.0.0.1",
        study=StudyHeader(STUDY),
    )  # fmt: skip
    with database.transaction() as tx:
        register_instance(tx, incoming, settle_seconds=0)
    return uid


def work(node: Settings, database: Database) -> StoredAnalysis | None:
    handler = AnalyseHandler(Examiner(node), database)
    WorkLoop(database, {"analyse": handler}, [Lane(("analyse",))], node.work, node.delivery).run_until_idle()
    with database.reading() as read:
        identifier = read.execute(select(Analysis.id).order_by(Analysis.id.desc()).limit(1)).scalar()
        return None if identifier is None else load_analysis(read, identifier)


def test_every_instance_gets_findings_or_a_reason(node: Settings, database: Database, radiograph: Any) -> None:
    broken = radiograph()
    compress(broken, JPEG2000Lossless)
    broken.PixelData = broken.PixelData[: len(broken.PixelData) // 2] + bytes(len(broken.PixelData) // 2)
    contents = [
        radiograph(), radiograph(ViewPosition="LL"), broken, b"no DICOM" * 100, radiograph(PatientAge="004Y"),
        radiograph(np.full((200, 200), 7, np.uint16)), radiograph(Modality="CT"),
    ]  # fmt: skip
    uids = [receive(node, database, content, number) for number, content in enumerate(contents, 1)]
    analysis = work(node, database)
    assert analysis is not None
    outcomes = {outcome.instance_uid: outcome for outcome in analysis.outcomes}
    assert [outcomes[uid].reason for uid in uids] == [
        None, Reason.VIEW, Reason.PIXELS, Reason.UNREADABLE, Reason.AGE, Reason.IMPLAUSIBLE, Reason.MODALITY,
    ]  # fmt: skip
    assert all(bool(outcome.findings) == (outcome.because is None) for outcome in outcomes.values())
    assert (analysis.model_name, analysis.model_version, analysis.engine) == ("tiny", "1.0.0", "steady 1 cpu")
    assert set(analysis.timings) == set(STAGES)
    assert 0 < sum(analysis.timings.values()) <= analysis.seconds


def test_an_image_that_is_no_chest_is_not_analysed_whatever_its_header_says(
    node: Settings, database: Database, radiograph: Any
) -> None:
    strict = node.model_copy(update={"inference": node.inference.model_copy(update={"verdict_threshold": None})})
    receive(strict, database, radiograph(), 1)
    analysis = work(strict, database)
    assert analysis is not None
    (outcome,) = analysis.outcomes
    assert outcome.reason == Reason.VERDICT
    assert outcome.because is not None
    assert "its image" in outcome.because
    assert outcome.verdict is not None
    assert outcome.verdict["kind"] != "frontal"


def test_a_phantom_stored_turned_is_put_right_where_the_site_says_so(
    node: Settings, radiograph: Any, tmp_path: Path
) -> None:
    stored = np.ascontiguousarray(np.rot90(draw(7, size=512), -1))
    dcmwrite(tmp_path / "turned.dcm", radiograph(stored), enforce_file_format=True)
    settings = node.inference.model_copy(update={"verdict_threshold": None})
    refused = Analyser(settings).analyse_file(tmp_path / "turned.dcm", StageTimes())
    assert refused.refused
    mended = Analyser(settings.model_copy(update={"mend_orientation": True}))
    analysis = mended.analyse_file(tmp_path / "turned.dcm", StageTimes())
    assert not isinstance(analysis.outcome, NotAnalysed)
    assert [remark.kind for remark in analysis.remarks] == [RemarkKind.ORIENTATION_MENDED]
    assert analysis.verdict is not None
    assert analysis.verdict["turned"] == 90
    anatomy = analysis.verdict["anatomy"]
    x0, y0, x1, y1 = anatomy["heart_line"]
    assert x0 == x1, "a line across the upright image runs down the stored one"
    assert 0.3 < anatomy["cardiothoracic_ratio"] < 0.7
    assert 512 * 0.1 < abs(y1 - y0) < 512 * 0.7
    (box,) = analysis.outcome[0].boxes
    assert 0 <= box.x0 < box.x1 <= 512
    assert 0 <= box.y0 < box.y1 <= 512


def test_without_an_anatomy_package_nothing_is_measured(node: Settings, radiograph: Any, tmp_path: Path) -> None:
    dcmwrite(tmp_path / "phantom.dcm", radiograph(draw(7, size=512)), enforce_file_format=True)
    settings = node.inference.model_copy(update={"anatomy_package": ""})
    analyser = Analyser(settings)
    analysis = analyser.analyse_file(tmp_path / "phantom.dcm", StageTimes())
    assert analysis.verdict is not None
    assert "anatomy" not in analysis.verdict
    assert analyser.digest != Analyser(node.inference).digest


def test_findings_are_kept_whole(node: Settings, database: Database, radiograph: Any) -> None:
    receive(node, database, radiograph(), 1)
    analysis = work(node, database)
    assert analysis is not None
    opacity, normal = (finding_from_json(record.detail) for record in analysis.outcomes[0].findings)
    assert (opacity.label, opacity.level, opacity.abnormal) == ("lung_opacity", Level.PRESENT, True)
    assert (normal.label, normal.level, normal.abnormal) == ("normal", Level.ABSENT, False)
    (box,) = opacity.boxes
    assert 0 <= box.x0 < box.x1 <= 200
    assert 0 <= box.y0 < box.y1 <= 160


def test_the_same_file_gives_the_same_answer(node: Settings, radiograph: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    dcmwrite(path, radiograph(), enforce_file_format=True)
    analyser = Analyser(node.inference)
    assert analyser.analyse_file(path, StageTimes()) == analyser.analyse_file(path, StageTimes())


def test_an_image_with_findings_is_given_to_who_draws_it(node: Settings, radiograph: Any, tmp_path: Path) -> None:
    path, blank = tmp_path / "a.dcm", tmp_path / "b.dcm"
    kept: dict[Path, Picture] = {}
    dcmwrite(path, radiograph(), enforce_file_format=True)
    blank.write_bytes(b"no radiograph")
    analyser = Analyser(node.inference, kept.__setitem__)
    for file in (path, blank):
        analyser.analyse_file(file, StageTimes())
    assert list(kept) == [path]
    np.testing.assert_array_equal(kept[path].gray, read_picture(path, 10_000_000).gray)


def test_a_missing_file_fails_the_job_and_not_the_picture(node: Settings, database: Database, radiograph: Any) -> None:
    receive(node, database, radiograph(), 1)
    (node.instance_dir / "1.dcm").unlink()
    slow = node.model_copy(update={"delivery": node.delivery.model_copy(update={"first_retry_seconds": 600.0})})
    assert work(slow, database) is None
    with database.reading() as read:
        job = read.execute(select(Job).where(Job.queue == "analyse")).scalar_one()
        assert "FileNotFoundError" in (job.error or "")


def test_a_study_without_anything_to_analyse_is_an_analysis_too(
    node: Settings, database: Database, radiograph: Any
) -> None:
    receive(node, database, radiograph(Modality="MR"), 1)
    analysis = work(node, database)
    assert analysis is not None
    assert analysis.outcomes[0].because == "it is an MR image, not a radiograph"
    with database.reading() as read:
        assert read.execute(select(Job).where(Job.queue == "report")).all() == []


def test_a_late_instance_makes_a_new_analysis_of_the_whole_study(
    node: Settings, database: Database, radiograph: Any
) -> None:
    receive(node, database, radiograph(), 1)
    first = work(node, database)
    receive(node, database, radiograph(np.flip(np.arange(40000, dtype=np.uint16).reshape(200, 200))), 2)
    second = work(node, database)
    assert first is not None
    assert second is not None
    assert (len(first.outcomes), len(second.outcomes)) == (1, 2)
    assert second.supersedes == first.id


def test_a_worker_does_not_start_with_a_wrong_package_or_wrong_points(node: Settings) -> None:
    points = {"tumour": OperatingPointSettings(sensitive=0.1, specific=0.2)}
    wrong = node.inference.model_copy(update={"operating_points": points})
    with pytest.raises(SettingsError, match="tumour"):
        Examiner(node.model_copy(update={"inference": wrong}))
    nowhere = node.inference.model_copy(update={"package": "nowhere"})
    with pytest.raises(PackageError, match="nowhere"):
        Examiner(node.model_copy(update={"inference": nowhere}))


@pytest.mark.data
@pytest.mark.filterwarnings("ignore")
def test_real_files_through_a_real_engine(settings: Settings, tiny_package: ModelPackage, cxr_data: Path) -> None:
    chosen = settings.inference.model_copy(update={"package": str(tiny_package.folder), "engine": "litert"})
    analyser = Analyser(chosen)
    assert analyser.identity.engine.startswith("litert")
    for file in sorted((cxr_data / "dicom" / "chest").glob("*.dcm")):
        outcome = analyser.analyse_file(file, StageTimes()).outcome
        assert not isinstance(outcome, NotAnalysed)
        assert [finding.label for finding in outcome] == ["lung_opacity", "normal"]
    outcome = analyser.analyse_file(cxr_data / "dicom" / "malformed" / "966.dcm", StageTimes()).outcome
    assert isinstance(outcome, NotAnalysed)
    assert outcome.reason is Reason.PIXELS
    for file in sorted((cxr_data / "dicom" / "other").glob("*.dcm")):
        assert analyser.analyse_file(file, StageTimes()).refused


def test_remarks_verdict_and_distance_are_kept_with_the_outcome(
    node: Settings, database: Database, radiograph: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    remark = Remark(RemarkKind.AUTOMATIC_WINDOW, "The stored window was not believed")
    analysis = ImageAnalysis(NotAnalysed(ReasonCode.LATERAL), (remark,), {"kind": "lateral"}, 0.5)
    monkeypatch.setattr(Analyser, "analyse_file", lambda *_, **__: analysis)
    receive(node, database, radiograph(), 1)
    stored = work(node, database)
    assert stored is not None
    (kept,) = stored.outcomes
    assert kept == outcome_record(ImageResult("2.25.1", analysis))
    assert remarks_from_json(kept.remarks) == (remark,)
