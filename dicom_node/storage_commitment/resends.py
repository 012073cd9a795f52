"""How often and after which pauses a document is sent again that turns out not to have arrived, by the settings."""

from config.destinations import DicomDestination
from config.settings import Settings
from tracking.jobs.queue import RetryPolicy
from tracking.outbox.confirmations import Resends


def resends_of(destination: DicomDestination, settings: Settings) -> Resends:
    """Return the rule for one destination."""
    delivery = settings.delivery
    pauses = RetryPolicy(delivery.first_retry_seconds, delivery.longest_retry_seconds)
    return Resends(destination.confirm_attempts, pauses)
