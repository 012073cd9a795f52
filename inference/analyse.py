"""The worker of the ``analyse`` queue: a study revision in, one analysis out.

What is wrong with one picture is that picture's result, "not analysed because …"; only what is wrong with this
node (a missing file, no memory, no database) fails the job.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy.orm import Session

from config.errors import UndecodablePixels, UnreadableInstance
from config.logs import get_logger
from config.settings import InferenceSettings, Settings
from inference.eligibility import eligibility
from inference.findings import (
    ImageAnalysis,
    ImageResult,
    ModelIdentity,
    NotAnalysed,
    Reason,
    finding_to_json,
    remarks_to_json,
)
from inference.header import Header
from inference.likeness.restriction import UNLIKE, restrict
from inference.model import Model
from inference.pixels import implausible, read_dataset, render
from inference.shelf import Shelf
from tracking.analyses import (
    AnalysisRecord,
    FindingRecord,
    OutcomeRecord,
    StoredInstance,
    instances_of,
    record_analysis,
)
from tracking.database import Database
from tracking.loop import Commit
from tracking.queue import Job

log = get_logger(__name__)
STAGES = ("read", "decode", "resize", "forward", "interpret")


@dataclass
class StageTimes:
    """Seconds spent in each stage, summed over the pictures of a study."""

    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(STAGES, 0.0))

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count the time of the body to a stage, also when it raises."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] += time.perf_counter() - start


class Analyser:
    """A model package in its engine, loaded once: files in, findings out. Safe to share between threads.

    Pictures on which there are findings are put on ``shelf`` for those who draw them.
    """

    def __init__(self, settings: InferenceSettings, shelf: Shelf | None = None) -> None:
        self._settings = settings
        self._shelf = Shelf(0) if shelf is None else shelf
        self._model = Model.open(settings.package, settings)
        self.identity: ModelIdentity = self._model.identity

    def analyse_file(self, path: Path, times: StageTimes) -> ImageAnalysis:
        """Return what comes of one stored file: findings, or why there are none.

        Raises OSError when the file cannot be read from the disk and MemoryError, for both are no fault of the
        picture's.
        """
        try:
            return self._analyse(path, times)
        except UnreadableInstance:
            return ImageAnalysis(NotAnalysed(Reason.UNREADABLE, "its file cannot be parsed as DICOM"))
        except UndecodablePixels as error:
            return ImageAnalysis(NotAnalysed(Reason.PIXELS, f"its picture cannot be decoded: {error}"))

    def _analyse(self, path: Path, times: StageTimes) -> ImageAnalysis:
        with times.stage("read"):
            dataset = read_dataset(path)
            header = eligibility(Header.of(dataset), self._settings)
        refusal = header.refusal or header.doubt
        if refusal is not None:
            return ImageAnalysis(refusal)
        with times.stage("decode"):
            picture = render(dataset, self._settings.max_pixels)
            refusal = implausible(picture)
        if refusal is not None:
            return ImageAnalysis(refusal)
        with times.stage("resize"):
            inputs = self._model.inputs(picture)
        with times.stage("forward"):
            answers = self._model.forward(inputs)
        with times.stage("interpret"):
            findings = self._model.interpret(answers)
            distance = self._model.distance(answers)
            unlike = self._model.unlike(distance)
            findings = restrict(findings, unlike=unlike, holds=self._model.holds_when_unlike)
        self._shelf.put(path, picture)
        return ImageAnalysis(findings, remarks=(UNLIKE,) if unlike else (), distance=distance)


class AnalyseHandler:
    """Serves the ``analyse`` queue; the model stays loaded between studies."""

    def __init__(self, settings: Settings, database: Database, shelf: Shelf | None = None) -> None:
        self._settings = settings
        self._database = database
        self._analyser = Analyser(settings.inference, shelf)
        identity = self._analyser.identity
        log.info("model-loaded", package=identity.name, version=identity.version, engine=identity.engine)

    @property
    def identity(self) -> ModelIdentity:
        """Return which model speaks here."""
        return self._analyser.identity

    def run(self, job: Job) -> Commit:
        """Analyse every instance of the study revision; return what records it."""
        study_uid, revision = str(job.payload["study_uid"]), int(job.payload["revision"])
        with self._database.reading() as read:
            instances = instances_of(read, study_uid, revision)
        start = time.perf_counter()
        times = StageTimes()
        results = [self._result(instance, times) for instance in instances]
        seconds = time.perf_counter() - start
        identity = self._analyser.identity
        record = AnalysisRecord(
            study_uid=study_uid,
            revision=revision,
            model_name=identity.name,
            model_version=identity.version,
            model_digest=identity.digest,
            engine=identity.engine,
            seconds=seconds,
            outcomes=tuple(outcome_record(result) for result in results),
            timings=times.seconds,
        )
        analysed = sum(not result.analysis.refused for result in results)
        log.info("study-analysed", study_uid=study_uid, revision=revision, count=analysed, seconds=round(seconds, 3))
        return lambda tx: record_analysis(tx, record)

    def failed(self, tx: Session, job: Job, error: Exception, stopped: bool) -> None:
        """Write nothing: the job's own row and audit line say that the analysis is still owed, and why."""

    def _result(self, instance: StoredInstance, times: StageTimes) -> ImageResult:
        analysis = self._analyser.analyse_file(self._settings.instance_dir / instance.path, times)
        if isinstance(analysis.outcome, NotAnalysed):
            log.info("not-analysed", instance_uid=instance.instance_uid, reason=analysis.outcome.reason.value)
        return ImageResult(instance.instance_uid, analysis)


def outcome_record(result: ImageResult) -> OutcomeRecord:
    """Return a result in the terms of the tracking room."""
    analysis = result.analysis
    refusal = analysis.outcome if isinstance(analysis.outcome, NotAnalysed) else None
    findings = () if isinstance(analysis.outcome, NotAnalysed) else analysis.outcome
    return OutcomeRecord(
        instance_uid=result.sop_instance_uid,
        reason=None if refusal is None else refusal.reason.value,
        because=None if refusal is None else refusal.because,
        findings=tuple(
            FindingRecord(
                label=finding.label,
                code_value=finding.code.value,
                code_scheme=finding.code.scheme,
                code_meaning=finding.code.meaning,
                score=finding.score,
                level=finding.level.value,
                abnormal=finding.abnormal,
                detail=finding_to_json(finding),
            )
            for finding in findings
        ),
        remarks=remarks_to_json(analysis.remarks),
        verdict=analysis.verdict,
        distance=analysis.distance,
    )
