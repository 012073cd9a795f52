"""The identity of a Bundle."""

from reporting.account import Account
from reporting.identity import document_uid


def bundle_uid(account: Account, destination: str) -> str:
    """Return the UID of the account's Bundle for a destination; the same on every rebuild and resend."""
    return document_uid("fhir", account.source_uids, account.model, account.revision, destination)
