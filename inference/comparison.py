"""The worker of the queue ``compare``: tells the same image in another transfer syntax from another one."""

from sqlalchemy.orm import Session

from config.logs import get_logger
from config.settings import Settings
from inference.same_image import compare
from tracking.engine.database import Database
from tracking.jobs.loop import Commit
from tracking.jobs.queue import Job
from tracking.studies.comparisons import Likeness, Pair, find_pair, record_comparison

log = get_logger(__name__)


class CompareHandler:
    """Serves the ``compare`` queue. Safe to share between threads.

    It never fails: what it cannot compare waits for an administrator.
    """

    def __init__(self, settings: Settings, database: Database) -> None:
        self._folder = settings.instance_dir
        self._max_pixels = settings.inference.max_pixels
        self._database = database

    def run(self, job: Job) -> Commit | None:
        """Compare the bytes that came with those that stand; None where somebody has decided meanwhile."""
        with self._database.reading() as read:
            pair = find_pair(read, str(job.payload["instance_uid"]), str(job.payload["sha256"]))
        if pair is None:
            return None
        likeness = Likeness.OTHER if job.crashes else self._compare(pair)  # a process died of these bytes
        log.info("image-compared", instance_uid=pair.instance_uid, outcome=str(likeness))
        return lambda tx: record_comparison(tx, pair, likeness)

    def failed(self, tx: Session, job: Job, _error: Exception, stopped: bool) -> None:
        """Let an administrator be asked when nobody will try again."""
        if stopped:
            pair = find_pair(tx, str(job.payload["instance_uid"]), str(job.payload["sha256"]))
            if pair is not None:
                record_comparison(tx, pair, Likeness.OTHER)

    def _compare(self, pair: Pair) -> Likeness:
        try:
            standing, other = ((self._folder / path).read_bytes() for path in (pair.standing_path, pair.path))
            return compare(standing, other, self._max_pixels)
        except (OSError, MemoryError) as error:
            log.warning("not-compared", instance_uid=pair.instance_uid, error=type(error).__name__)
            return Likeness.OTHER
