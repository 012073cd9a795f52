"""The worker of the queues ``examine`` and ``analyse``: stored images in, one analysis a study revision out.

An image is examined at once. When its study has fallen quiet, the analysis gathers what the examinations said; what is
missing, because a worker died or speaks for another model, is examined then. What is wrong with one image is that
image's result, "not analysed because …"; only what is wrong with this node (a missing file, no memory, no database)
fails the analysis.
"""

import copy
import time
from collections.abc import Collection, Sequence

from sqlalchemy.orm import Session

from config.logs import get_logger
from config.settings import Settings
from inference.analyse import STAGES, Analyser, Keep, StageTimes, outcome_record
from inference.findings import ImageResult, ModelIdentity
from inference.not_analysed import NotAnalysed
from inference.site_points import Points, points_in_force
from tracking.engine.database import Database
from tracking.jobs.loop import Commit
from tracking.jobs.queue import Job
from tracking.results.analyses import AnalysisRecord, StoredInstance, instances_of, record_analysis, stored_instance
from tracking.results.image_results import (
    AnalyserIdentity,
    ImageRecord,
    image_results,
    record_image_results,
    running_examinations,
    take_over_examinations,
)

log = get_logger(__name__)
LONGEST_WAIT_SECONDS = 5.0
"""How long an analysis waits for an examination under way: one whose worker was lost must not hold up its study."""
_LOOK_SECONDS = 0.02


class Examiner:
    """Turns stored instances into image records; the model stays loaded. Safe to share between threads."""

    def __init__(self, settings: Settings, keep: Keep = lambda _path, _image: None) -> None:
        self._folder = settings.instance_dir
        self._analyser = Analyser(settings.inference, keep)
        self.model: ModelIdentity = self._analyser.identity
        self.identity = AnalyserIdentity(self._analyser.digest, self.model.digest)
        log.info("model-loaded", package=self.model.name, version=self.model.version, engine=self.model.engine)

    def with_points(self, points: Points) -> "Examiner":
        """Return this examiner with other operating points of the site; itself where they hold."""
        analyser = self._analyser.with_points(points)
        if analyser is self._analyser:
            return self
        other = copy.copy(self)
        other._analyser = analyser
        other.identity = AnalyserIdentity(analyser.digest, self.model.digest)
        return other

    def examine(self, instance: StoredInstance) -> ImageRecord:
        """Analyse one instance. Raises OSError and MemoryError, as :meth:`Analyser.analyse_file` does."""
        times = StageTimes()
        start = time.perf_counter()
        path, has_header = self._folder / instance.path, not instance.is_wrapped
        analysis = self._analyser.analyse_file(path, times, has_header=has_header)
        seconds = time.perf_counter() - start
        if isinstance(analysis.outcome, NotAnalysed):
            log.info("not-analysed", instance_uid=instance.instance_uid, reason=analysis.outcome.reason.value)
        outcome = outcome_record(ImageResult(instance.instance_uid, analysis))
        return ImageRecord(outcome, instance.sha256, seconds, times.seconds)


class CurrentExaminer:
    """An examiner at the operating points that hold when it is asked for: those of the database."""

    def __init__(self, examiner: Examiner, database: Database) -> None:
        self._examiner = examiner
        self._database = database

    def now(self) -> Examiner:
        """Return the examiner for one piece of work."""
        with self._database.reading() as read:
            points = points_in_force(read, self._examiner.model.name)
        examiner = self._examiner.with_points(points)
        if examiner is not self._examiner:
            log.info("points-changed", package=examiner.model.name)
            self._examiner = examiner
        return examiner


class ExamineHandler:
    """Serves the ``examine`` queue: one image, as soon as it is stored.

    It never fails: what it cannot do is left to the study's analysis, whose job is tried again, counts and stops.
    """

    def __init__(self, examiner: Examiner, database: Database) -> None:
        self._current = CurrentExaminer(examiner, database)
        self._database = database

    def run(self, job: Job) -> Commit | None:
        """Examine one instance; return what records it, or None when there is nothing to do or nothing came of it."""
        if job.crashes:  # a process died on this image: let that be counted where a person sees it
            return None
        examiner = self._current.now()
        with self._database.reading() as read:
            instance = stored_instance(read, str(job.payload["instance_uid"]))
            if instance is None or image_results(read, [instance], examiner.identity):
                return None
        try:
            record = examiner.examine(instance)
        except Exception as error:  # noqa: BLE001 - the analysis meets it again, and says so
            log.warning("not-examined", instance_uid=instance.instance_uid, error=type(error).__name__)
            return None
        return lambda tx: record_image_results(tx, [record], examiner.identity)

    def failed(self, tx: Session, job: Job, error: Exception, stopped: bool) -> None:
        """Write nothing: the analysis is still owed, and has a job of its own."""


class AnalyseHandler:
    """Serves the ``analyse`` queue: gathers what was said about the images of a study revision.

    ``say_not_analysed`` says whether a destination wants to be told why no image of a study was analysed, ``critical``
    are the labels of findings that make a study urgent.
    """

    def __init__(
        self, examiner: Examiner, database: Database, *, say_not_analysed: bool = False, critical: Collection[str] = ()
    ) -> None:
        self._current = CurrentExaminer(examiner, database)
        self._database = database
        self._say_not_analysed, self._critical = say_not_analysed, critical

    def run(self, job: Job) -> Commit:
        """Gather a result for every instance of the study revision; return what records the analysis."""
        examiner = self._current.now()
        study_uid, revision = str(job.payload["study_uid"]), int(job.payload["revision"])
        with self._database.reading() as read:
            instances = instances_of(read, study_uid, revision)
        kept, examined = self._results(examiner, instances)
        results = kept | examined
        records = [results[instance.instance_uid] for instance in instances]
        model, seconds = examiner.model, sum(record.seconds for record in records)
        analysis = AnalysisRecord(
            study_uid=study_uid,
            revision=revision,
            model_name=model.name,
            model_version=model.version,
            model_digest=model.digest,
            engine=model.engine,
            seconds=seconds,
            outcomes=tuple(record.outcome for record in records),
            timings={stage: sum(record.timings.get(stage, 0.0) for record in records) for stage in STAGES},
        )
        analysed = sum(record.outcome.reason is None for record in records)
        log.info("study-analysed", study_uid=study_uid, revision=revision, count=analysed, seconds=round(seconds, 3))

        def commit(tx: Session) -> None:
            record_image_results(tx, examined.values(), examiner.identity)
            record_analysis(tx, analysis, say_not_analysed=self._say_not_analysed, critical=self._critical)

        return commit

    def failed(self, tx: Session, job: Job, error: Exception, stopped: bool) -> None:
        """Write nothing: the job's own row and audit line say that the analysis is still owed, and why."""

    def _results(
        self, examiner: Examiner, instances: Sequence[StoredInstance]
    ) -> tuple[dict[str, ImageRecord], dict[str, ImageRecord]]:
        """Return results by instance: those that are kept in the database, and those that were missing there."""
        with self._database.reading() as read:
            kept = _kept(read, instances, examiner)
        missing = [instance for instance in instances if instance.instance_uid not in kept]
        if not missing:
            return kept, {}
        with self._database.transaction() as tx:  # one that ends between the two looks has left its result
            running = take_over_examinations(tx, [instance.instance_uid for instance in missing])
            kept |= _kept(tx, missing, examiner)
        idle = [instance for instance in missing if instance.instance_uid not in running | kept.keys()]
        examined = {instance.instance_uid: examiner.examine(instance) for instance in idle}
        under_way = [instance for instance in missing if instance.instance_uid in running - kept.keys()]
        kept |= self._await(examiner, under_way)
        lost = [instance for instance in under_way if instance.instance_uid not in kept]
        return kept, examined | {instance.instance_uid: examiner.examine(instance) for instance in lost}

    def _await(self, examiner: Examiner, under_way: Sequence[StoredInstance]) -> dict[str, ImageRecord]:
        """Wait for examinations that another thread or process is at work on; return the results that came."""
        deadline = time.monotonic() + LONGEST_WAIT_SECONDS
        uids = [instance.instance_uid for instance in under_way]
        while uids:
            with self._database.reading() as read:
                running = running_examinations(read, uids)
                kept = _kept(read, under_way, examiner)
            if not running or time.monotonic() > deadline:
                return kept
            time.sleep(_LOOK_SECONDS)
        return {}


def _kept(read: Session, instances: Sequence[StoredInstance], examiner: Examiner) -> dict[str, ImageRecord]:
    records = image_results(read, instances, examiner.identity)
    return {record.outcome.instance_uid: record for record in records}
