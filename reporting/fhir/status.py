"""The status of what is sent."""

from reporting.account import Account

PRELIMINARY, AMENDED, CANCELLED, ENTERED_IN_ERROR = "preliminary", "amended", "cancelled", "entered-in-error"
"""Of DiagnosticReport and Observation (FHIR R4, diagnostic-report-status and observation-status)."""


def status_of(account: Account) -> str:
    """Return preliminary until a person signs, amended where the result replaces an earlier one.

    Where no image was analysed it is cancelled: the measurement was not started or not completed.
    """
    if not account.analysed:
        return CANCELLED
    return AMENDED if account.corrects else PRELIMINARY
