"""Upkeep: what a node does about its own store from time to time, beside its work."""

from config.errors import ActionRefused
from config.logs import get_logger
from config.settings import Settings
from dicom_node.storage_scp.upload_store import abandoned_files
from tracking.engine.database import Database
from tracking.studies import uploads
from tracking.studies.deletion import Stores

log = get_logger(__name__)


def delete_old_uploads(settings: Settings, database: Database) -> int:
    """Delete the uploads whose days are over, and files of those that came to no end; return how many uploads.

    One that was sent and of which something waits is left until that has ended.
    """
    stores = Stores(settings.instance_dir, settings.document_dir)
    with database.reading() as read:
        expired = uploads.expired_uploads(read, settings.console.upload_days)
        recorded = uploads.recorded_paths(read)
    deleted = 0
    for study_uid in expired:
        try:
            with database.transaction() as tx:
                uploads.delete_expired(tx, study_uid, stores=stores)
        except ActionRefused:
            continue
        deleted += 1
        log.info("upload-deleted", study_uid=study_uid)
    for name in abandoned_files(settings.instance_dir, recorded):
        (settings.instance_dir / name).unlink(missing_ok=True)
    return deleted
