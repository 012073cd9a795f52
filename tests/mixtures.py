"""Images of one and of two patients in one study; ``python -m tests.mixtures FOLDER`` writes them as files.

Every mixture is a pair of data sets with one Study Instance UID, or a single one that holds an element twice, and says
whether that makes a conflict. Data sets are written element by element, so that nothing is repaired on the way.
"""

import struct
import sys
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from dicom_node.format.file_meta import file_meta

SYNTAXES = (ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian)
CR = "1.2.840.10008.5.1.4.1.1.1"
_ROOT = "1.2.826.0.1.3680043.10.9.900"
_LONG = frozenset({"OB", "OW", "SQ", "UN", "UT", "UC", "UR"})

Elements = Sequence[tuple[str, bytes]]
PATIENT: dict[str, bytes] = {
    "PatientName": b"Doe^Jane", "PatientID": b"PAT-A", "IssuerOfPatientID": b"HOSPITAL",
    "PatientBirthDate": b"19600101", "PatientSex": b"F",
}  # fmt: skip
OTHER: dict[str, bytes] = {
    "PatientName": b"Roe^Mary", "PatientID": b"PAT-B", "IssuerOfPatientID": b"CLINIC",
    "PatientBirthDate": b"19700202", "PatientSex": b"M",
}  # fmt: skip
SAME: dict[str, Mapping[str, bytes]] = {
    "to the letter": {},
    "name in capitals": {"PatientName": b"DOE^JANE"},
    "name with empty parts": {"PatientName": b"Doe^Jane^^^ "},
    "name padded with null": {"PatientName": b"Doe^Jane\0\0"},
    "second script": {"PatientName": "Doe^Jane=山田^花子".encode()},
    "no name": {"PatientName": b""},
    "no issuer": {"IssuerOfPatientID": b""},
    "no birth date": {"PatientBirthDate": b""},
    "birth date with dots": {"PatientBirthDate": b"1960.01.01"},
    "no sex": {"PatientSex": b""},
    "padded ID": {"PatientID": b" PAT-A"},
    "no ID, same name": {"PatientID": b""},
}
"""What another image of the same patient may say differently."""
DIFFERENT: dict[str, Mapping[str, bytes]] = {
    **{f"other {keyword}": {keyword: value} for keyword, value in OTHER.items()},
    "other in all": OTHER,
    "other given name": {"PatientName": b"Doe^John"},
    "ID in lower case": {"PatientID": b"pat-a"},
    "nobody": dict.fromkeys(PATIENT, b""),
}
"""What makes another patient of it."""


@dataclass(frozen=True, slots=True)
class Image:
    """One encoded data set, and what a C-STORE of it says."""

    instance_uid: str
    syntax: str
    data_set: bytes

    def save(self, path: Path) -> Path:
        """Write it as a DICOM file and return where."""
        path.write_bytes(file_meta(CR, self.instance_uid, self.syntax) + self.data_set)
        return path


@dataclass(frozen=True, slots=True)
class Mixture:
    """Images of one study."""

    name: str
    study_uid: str
    images: tuple[Image, ...]
    conflict: bool


def encode(elements: Elements, syntax: str) -> bytes:
    """Return elements in this order and this transfer syntax, each value padded to an even length and kept as it is."""
    order = ">" if syntax == ExplicitVRBigEndian else "<"
    parts = []
    for keyword, value in elements:
        tag = tag_for_keyword(keyword)
        assert tag is not None
        vr = dictionary_VR(tag)
        padded = value + (b"\0" if vr == "UI" else b" ") * (len(value) % 2)
        head = struct.pack(f"{order}HH", tag >> 16, tag & 0xFFFF)
        if syntax == ImplicitVRLittleEndian:
            head += struct.pack("<I", len(padded))
        elif vr in _LONG:
            head += vr.encode() + struct.pack(f"{order}HI", 0, len(padded))
        else:
            head += vr.encode() + struct.pack(f"{order}H", len(padded))
        parts.append(head + padded)
    encoded = b"".join(parts)
    if syntax != DeflatedExplicitVRLittleEndian:
        return encoded
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return deflater.compress(encoded) + deflater.flush()


def image(number: int, study_uid: str, patient: Mapping[str, bytes], syntax: str, *more: tuple[str, bytes]) -> Image:
    """Return an image without pixels; ``more`` elements stand behind those of the patient."""
    instance_uid = f"{study_uid}.{number}"
    elements = [
        ("SpecificCharacterSet", b"ISO_IR 192"), ("SOPClassUID", CR.encode()),
        ("SOPInstanceUID", instance_uid.encode()), ("Modality", b"CR"), *patient.items(), *more,
        ("StudyInstanceUID", study_uid.encode()), ("SeriesInstanceUID", f"{study_uid}.8".encode()),
    ]  # fmt: skip
    return Image(instance_uid, syntax, encode(elements, syntax))


def mixtures(syntax: str) -> Iterator[Mixture]:
    """Return every mixture in a transfer syntax."""
    number = 1000 * (SYNTAXES.index(UID(syntax)) + 1)
    pairs = [(name, change, False) for name, change in SAME.items()]
    pairs += [(name, change, True) for name, change in DIFFERENT.items()]
    for name, change, conflict in pairs:
        for turned in (False, True):
            number += 1
            study_uid = f"{_ROOT}.{number}"
            patients = [PATIENT, {**PATIENT, **change}][:: -1 if turned else 1]
            images = tuple(image(n, study_uid, patient, syntax) for n, patient in enumerate(patients, 1))
            yield Mixture(f"{name}{', turned' if turned else ''}", study_uid, images, conflict)
    for keyword, value in OTHER.items():
        for again, conflict in ((value, True), (PATIENT[keyword], False)):
            number += 1
            study_uid = f"{_ROOT}.{number}"
            name = f"{keyword} twice{'' if conflict else ', the same'}"
            yield Mixture(name, study_uid, (image(1, study_uid, PATIENT, syntax, (keyword, again)),), conflict)


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for one in SYNTAXES:
        for made in mixtures(one):
            for entry in made.images:
                entry.save(folder / f"{entry.instance_uid}.dcm")
