"""hl7apy's strict verdict on a message as a whole (chapter 2, and the structure ORU_R01 of chapter 7)."""

from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.exceptions import HL7apyException
from hl7apy.parser import parse_message

from config.errors import DocumentRejected
from reporting.charset import quiet
from reporting.hl7.er7 import SEGMENT_END


def require_valid(text: str, name: str = "message") -> None:
    """Refuse a message that hl7apy does not accept.

    Parameters
    ----------
    text
        All of it, segments ended by CR.
    name
        What the reason calls it.

    Raises
    ------
    DocumentRejected
        It breaks the version that it names; never with a value of it.
    """
    try:
        with quiet():
            parse_message(text, validation_level=VALIDATION_LEVEL.STRICT, find_groups=True).validate()
    except (HL7apyException, ValueError) as error:  # ValueError: no date
        version = "2.3.1" if "|2.3.1|" in text.split(SEGMENT_END, 1)[0] else "2.5.1"
        msg = f"the {name} does not validate as HL7 v{version} ({type(error).__name__})"
        raise DocumentRejected(msg) from None
