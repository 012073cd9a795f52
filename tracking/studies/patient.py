"""Whose image it is: the identity an image names, and the rule that tells one patient from two.

Patient ID, Issuer of Patient ID, Patient's Name, birth date and sex are compared (PS3.3 C.7.1.1). Two identities are
of one patient when **nothing that both state differs** and **something that both state ties them together**:

- What only one of them states never contradicts: an absent issuer, birth date, sex or name, a name without its middle
  name, one script of a name where the other identity has another script.
- They are tied together by the same Patient ID. Where one of them has no Patient ID, the same full name does; an
  image without both is tied only to others without both, as in a study from which they were removed.

Compared is what the Standard calls significant (PS3.5 6.2): leading and trailing spaces and null padding are not; of
a name, case, repeated spaces and trailing empty components and groups are not; a date may have the dots or hyphens of
the ACR-NEMA form; a sex may be a word, and ``U``, ``UNKNOWN`` and a date of zeros state nothing. Patient IDs and
issuers are compared to the letter, because two archives may tell ``a1`` from ``A1``.

A difference in spelling is therefore a contradiction: this node cannot know whether *Mueller* is *Müller*.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations, zip_longest

ELEMENTS = {
    "patient_id": "Patient ID",
    "issuer_of_patient_id": "Issuer of Patient ID",
    "patient_name": "Patient's Name",
    "patient_birth_date": "Patient's Birth Date",
    "patient_sex": "Patient's Sex",
}
"""The elements that identify a patient, by the field that holds each, as the Standard names them."""

_SEXES = {"MALE": "M", "FEMALE": "F", "OTHER": "O", "U": "", "UNKNOWN": ""}
_DATE = re.compile(r"(\d{4})[.-]?(\d\d)[.-]?(\d\d)")


@dataclass(frozen=True, slots=True)
class PatientIdentity:
    """What one image says about its patient, as decoded text; empty where it says nothing."""

    patient_id: str = ""
    issuer_of_patient_id: str = ""
    patient_name: str = ""
    patient_birth_date: str = ""
    patient_sex: str = ""


def contradictions(first: PatientIdentity, second: PatientIdentity) -> tuple[str, ...]:
    """Return the fields of :data:`ELEMENTS` in which two identities are not of one patient; empty when they are.

    Identities of which nothing differs, but which nothing ties together, contradict each other in ``patient_id``.
    """
    different = tuple(
        field
        for field, differ in (
            ("patient_id", _differ(plain(first.patient_id), plain(second.patient_id))),
            ("issuer_of_patient_id", _differ(plain(first.issuer_of_patient_id), plain(second.issuer_of_patient_id))),
            ("patient_name", _names_differ(first.patient_name, second.patient_name)),
            ("patient_birth_date", _differ(date_text(first.patient_birth_date), date_text(second.patient_birth_date))),
            ("patient_sex", _differ(_sex(first.patient_sex), _sex(second.patient_sex))),
        )
        if differ
    )
    return different or (() if _tied(first, second) else ("patient_id",))


def contradictions_among(identities: Iterable[PatientIdentity]) -> tuple[str, ...]:
    """Return the fields in which any two of several identities are not of one patient, in the order of ELEMENTS."""
    found = {field for pair in combinations(dict.fromkeys(identities), 2) for field in contradictions(*pair)}
    return tuple(field for field in ELEMENTS if field in found)


def names_patient(identity: PatientIdentity, patient_id: str, issuer: str | None = None) -> bool:
    """Tell whether an identity states this Patient ID and, where an issuer is given, this issuer."""
    return plain(identity.patient_id) == plain(patient_id) and (
        issuer is None or plain(identity.issuer_of_patient_id) == plain(issuer)
    )


def plain(text: str) -> str:
    """Return a value without what the Standard calls insignificant at its ends."""
    return unicodedata.normalize("NFC", text).strip(" \0")


def _differ(first: str, second: str) -> bool:
    return bool(first and second) and first != second


def _tied(first: PatientIdentity, second: PatientIdentity) -> bool:
    """Tell whether two identities that do not differ have a Patient ID, a full name, or the lack of both in common."""
    ids = [bool(plain(identity.patient_id)) for identity in (first, second)]
    if all(ids):
        return True
    names = [_groups(identity.patient_name) for identity in (first, second)]
    return names[0] == names[1] and (bool(names[0]) or not any(ids))


def _names_differ(first: str, second: str) -> bool:
    """Compare two names script by script and component by component (PS3.5 6.2.1)."""
    return any(
        _differ(one, other)
        for ours, theirs in zip_longest(_groups(first), _groups(second), fillvalue=())
        for one, other in zip_longest(ours, theirs, fillvalue="")
    )


def _groups(name: str) -> tuple[tuple[str, ...], ...]:
    """Return the component groups of a name, each as its components; trailing empty ones are left out."""
    folded = unicodedata.normalize("NFC", plain(name).casefold())
    groups = [tuple(" ".join(part.split()) for part in group.rstrip("^ ").split("^")) for group in folded.split("=")]
    while groups and not any(groups[-1]):
        groups.pop()
    return tuple(groups)


def date_text(text: str) -> str:
    """Return a date as YYYYMMDD, what is no date as it stands, and nothing for zeros."""
    value = plain(text)
    match = _DATE.fullmatch(value)
    return "" if not value.strip("0.-") else "".join(match.groups()) if match else value


def _sex(text: str) -> str:
    value = plain(text).upper()
    return _SEXES.get(value, value)
