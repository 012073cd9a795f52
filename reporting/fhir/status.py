"""The status of what is sent."""

from reporting.account import Account

PRELIMINARY, AMENDED, ENTERED_IN_ERROR = "preliminary", "amended", "entered-in-error"
"""Of DiagnosticReport and Observation (FHIR R4, diagnostic-report-status and observation-status)."""


def status_of(account: Account) -> str:
    """Return preliminary until a person signs, amended where the result replaces an earlier one."""
    return AMENDED if account.corrects else PRELIMINARY
