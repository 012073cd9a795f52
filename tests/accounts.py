"""What the tests of reporting make documents from: headers, good and sloppy, findings, accounts; and a way through."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
from pydicom import Dataset
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.dataset import FileMetaDataset
from pydicom.tag import Tag

from inference.evidence import Evidence, Share
from inference.findings import Box, Code, Finding, MapKind, ModelIdentity, OperatingPoints, Pointing, ScoreMap
from inference.pixels import Picture
from reporting.account import Account, AnalysedImage, SkippedImage
from reporting.source import describe
from training.recipe.catalogue import CATALOGUE

ROWS, COLUMNS = 400, 320
MODEL = ModelIdentity("opacity", "1.0.0", "0123456789abcdef" * 4, "litert 2.1.0 cpu")
COMPLETED = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)
POINTS = OperatingPoints(0.35, 0.62)
EVIDENCE = Evidence(POINTS.specific, 300, 80, 71, 54, Share(20, 1000), Share(9, 300), "reads of the tests' own")
LUNG = Code("39607008", "SCT", "Lung")


def raw(header: Dataset, keyword: str, value: bytes) -> None:
    """Put bytes into an element as a file would hold them, whatever they are."""
    tag = Tag(tag_for_keyword(keyword))
    header[tag] = RawDataElement(tag, dictionary_VR(tag), len(value), value, 0, False, True)


def good_header(number: int = 1, **changes: bytes | None) -> Dataset:
    """Return the header of a CR without fault; a change is an attribute's bytes, or None to leave it out."""
    header = Dataset()
    header.file_meta = FileMetaDataset()
    header.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
    values: dict[str, bytes | None] = {
        "SpecificCharacterSet": b"ISO_IR 100", "SOPClassUID": b"1.2.840.10008.5.1.4.1.1.1",
        "SOPInstanceUID": f"1.2.3.4.{number}".encode(), "StudyInstanceUID": b"1.2.3", "SeriesInstanceUID": b"1.2.3.4",
        "Modality": b"CR", "StudyDate": b"20260101", "StudyTime": b"101112", "AccessionNumber": b"ACC-1",
        "ReferringPhysicianName": b"Ref^Doc", "StudyDescription": "Thorax für Müller".encode("latin-1"),
        "PatientName": "Müller^Jörg^^Dr^Jr".encode("latin-1"), "PatientID": b"PID-1", "IssuerOfPatientID": b"HOSP",
        "PatientBirthDate": b"19700131", "PatientSex": b"M", "PatientAge": b"055Y", "StudyID": b"S1",
        "BodyPartExamined": b"CHEST", "PatientOrientation": b"L\\F", "ImagerPixelSpacing": b"0.2\\0.2",
    }  # fmt: skip
    for keyword, value in {**values, **changes}.items():
        if value is not None:
            raw(header, keyword, value)
    header.Rows, header.Columns = ROWS, COLUMNS
    return header


def finding(label: str, score: float, *boxes: tuple[float, float, float, float, float], **changes: Any) -> Finding:
    """Return a finding with boxes (x0, y0, x1, y1, score)."""
    made = Finding(
        label=label,
        code=Code("95436008", "SCT", label.replace("_", " ").capitalize()),
        site=LUNG,
        score=score,
        level=POINTS.level(score),
        points=POINTS,
        abnormal=True,
        boxes=tuple(Box(*box, POINTS.level(box[4])) for box in boxes),
        stated=True,
        evidence=EVIDENCE,
    )
    return replace(made, **changes)


POINTING = Pointing(138, 0.9348, 0.5725)


def hot_map(row: int = 20, column: int = 6, rows: int = 32, columns: int = 26) -> ScoreMap:
    """Return a map of zeros with one hot cell."""
    values = np.zeros((rows, columns), int)
    values[row, column] = 200
    return ScoreMap(MapKind.HEAT, rows, columns, tuple(values.ravel().tolist()), POINTING)


def mapped_findings(score: float = 0.91) -> tuple[Finding, ...]:
    """Return a finding with a score map, and normal without one."""
    return (
        finding("lung_opacity", score, (180, 150, 260, 280, score), map=hot_map()),
        finding("normal", 0.03, code=Code("17621005", "SCT", "Normal"), abnormal=False),
    )


def mapped_account(*headers: Dataset, **changes: Any) -> Account:
    """Return an account of these images, each with :func:`mapped_findings`."""
    made = account(*headers, **changes)
    return replace(made, analysed=tuple(replace(image, findings=mapped_findings()) for image in made.analysed))


def findings() -> tuple[Finding, ...]:
    """Return one located finding with a present and a possible box, one without, a long code, and normal."""
    return (
        finding("lung_opacity", 0.91, (180, 150, 260, 280, 0.91), (60, 200, 130, 260, 0.5)),
        finding("covid", 0.5, code=Code("882784691000119100", "SCT", "Pneumonia caused by SARS-CoV-2")),
        finding("normal", 0.03, code=Code("17621005", "SCT", "Normal"), abnormal=False),
    )


_CHEST_POINTS = {
    "atelectasis": (0.12, 0.42), "cardiomegaly": (0.05, 0.35), "effusion": (0.1, 0.5), "infiltration": (0.15, 0.4),
    "mass": (0.04, 0.2), "nodule": (0.05, 0.25), "pneumonia": (0.02, 0.1), "pneumothorax": (0.02, 0.3),
    "lung_opacity": (0.09, 0.65), "covid19": (0.1, 0.6), "normal": (0.19, 0.77),
}  # fmt: skip
"""Two points of each finding of a package of eleven, in the package's order."""
_SICK = (0.31, 0.55, 0.71, 0.22, 0.03, 0.08, 0.06, 0.01, 0.91, 0.48, 0.012)
CONDITIONS = tuple(_CHEST_POINTS)[:8]


def chest(
    scores: Sequence[float] = _SICK, boxes: Mapping[str, int] | None = None, stated: Collection[str] = _CHEST_POINTS
) -> tuple[Finding, ...]:
    """Return eleven findings with these scores, coded as the catalogue says, some with this many regions.

    All but ``stated`` are scored only.
    """
    counts = {"lung_opacity": 2} if boxes is None else boxes
    made = []
    for (label, points), score in zip(_CHEST_POINTS.items(), scores, strict=True):
        one, at = CATALOGUE[label], OperatingPoints(*points)
        made.append(
            Finding(
                label,
                one.code,
                one.site,
                score,
                at.level(score),
                at,
                one.abnormal,
                _spread(counts.get(label, 0)),
                one.note,
                label in stated,
                EVIDENCE if label in stated else None,
            )
        )
    return tuple(made)


def _spread(count: int) -> tuple[Box, ...]:
    """Return overlapping boxes on a picture of :data:`ROWS` by :data:`COLUMNS`, present and possible by turns."""
    boxes = []
    for number in range(count):
        x, y, score = 30.0 + 37 * number % 190, 60.0 + 53 * number % 230, 0.9 - 0.02 * number - 0.4 * (number % 2)
        boxes.append(Box(x, y, x + 60, y + 80, score, POINTS.level(score)))
    return tuple(boxes)


CHESTS: dict[str, tuple[Finding, ...]] = {
    "eleven findings": chest(),
    "eleven, all present": chest((0.9,) * 11),
    "eight with boxes": chest((0.6,) * 8 + (0.02, 0.01, 0.02), dict.fromkeys(CONDITIONS, 3)),
    "eight with a box each": chest((0.6,) * 8 + (0.02, 0.01, 0.02), dict.fromkeys(CONDITIONS, 1)),
    "twenty boxes": chest((0.01,) * 8 + (0.93, 0.02, 0.02), {"lung_opacity": 20}),
    "none abnormal": chest((0.01,) * 10 + (0.97,)),
    "only opacity stated": chest(stated=("lung_opacity",)),
    "only opacity stated, not found": chest((0.9,) * 8 + (0.02, 0.9, 0.9), stated=("lung_opacity",)),
    "nothing stated": chest((0.9,) * 11, stated=()),
}
"""Sets of eleven findings as different as they come."""


def account(*headers: Dataset, **changes: Any) -> Account:
    """Return an account of these images (one good one by default), each with :func:`findings`."""
    sources = [describe(header) for header in headers or (good_header(),)]
    made = Account(
        model=MODEL,
        revision=1,
        completed_at=COMPLETED,
        analysed=tuple(AnalysedImage(source, findings()) for source in sources),
        skipped=(),
        source_uids=tuple(sorted(source.sop_instance_uid for source in sources)),
        institution="Klinikum Süd",
    )
    return replace(made, **changes)


def not_analysed_account(*headers: Dataset, **changes: Any) -> Account:
    """Return an account of a study of which none of these images was analysed."""
    made = account(*headers)
    skipped = tuple(
        SkippedImage(
            image.source.sop_instance_uid, image.source.sop_class_uid,
            "it holds 3 frames, and a radiograph has one", "frames", {"frames": 3}, image.source,
        )
        for image in made.analysed
    )  # fmt: skip
    return replace(made, analysed=(), skipped=skipped, **changes)


def walk(item: Dataset) -> Iterator[Dataset]:
    """Yield an SR content item and all beneath it, in document order."""
    if "ValueType" in item:
        yield item
    for child in item.get("ContentSequence", ()):
        yield from walk(child)


def lateral() -> SkippedImage:
    """Return an image that was not analysed."""
    return SkippedImage("1.2.3.4.99", "1.2.840.10008.5.1.4.1.1.1", "it is a lateral view")


def picture(rows: int = ROWS, columns: int = COLUMNS) -> Picture:
    """Return a smooth picture of that size."""
    ramp = np.linspace(0, 1, columns, dtype=np.float32)[None, :] * np.linspace(0.3, 1, rows, dtype=np.float32)[:, None]
    return Picture(ramp)


def _set(**changes: bytes | None) -> Callable[[], Dataset]:
    return lambda: good_header(**changes)


_JAPANESE = "山田^太郎"
SLOPPY: dict[str, Callable[[], Dataset]] = {
    **{
        f"no {keyword}": _set(**{keyword: None})
        for keyword in (
            "AccessionNumber", "PatientBirthDate", "PatientSex", "PatientID", "PatientName", "StudyID", "StudyDate",
            "StudyTime", "ReferringPhysicianName", "PatientOrientation", "SpecificCharacterSet", "Modality",
            "ImagerPixelSpacing", "BodyPartExamined", "IssuerOfPatientID",
        )
    },
    "empty identity": _set(PatientName=b"", PatientID=b"", PatientBirthDate=b"", PatientSex=b"", AccessionNumber=b""),
    "sex U": _set(PatientSex=b"U"),
    "sex in words": _set(PatientSex=b"Male"),
    "birth date a year": _set(PatientBirthDate=b"1970"),
    "birth date with dots": _set(PatientBirthDate=b"1970.01.31"),
    "birth date of zeros": _set(PatientBirthDate=b"00000000"),
    "birth date no day": _set(PatientBirthDate=b"19701332"),
    "birth date a hash": _set(PatientBirthDate=b"d14a028c2a3a2bc9476102bb288234c415a2b01f828ea62ac5b3e42f"),
    "study date no date": _set(StudyDate=b"yesterday"),
    "study time with colons": _set(StudyTime=b"10:11:12"),
    "accession number of 56": _set(AccessionNumber=b"a" * 56),
    "accession number of two": _set(AccessionNumber=b"A\\B"),
    "study ID of 40": _set(StudyID=b"s" * 40),
    "description of 200": _set(StudyDescription=b"d" * 200),
    "age without zero": _set(PatientAge=b"25"),
    "time zone no offset": _set(TimezoneOffsetFromUTC=b"CET"),
    "time zone": _set(TimezoneOffsetFromUTC=b"-0330"),
    "time zone of nowhere": _set(TimezoneOffsetFromUTC=b"-1459"),
    "two referring physicians": _set(ReferringPhysicianName=b"Ref^Doc\\Other^Doc"),
    "character set empty": _set(SpecificCharacterSet=b"", PatientName=b"Doe^J", StudyDescription=b"x"),
    "character set unknown": _set(SpecificCharacterSet=b"ISO_IR 999"),
    "character set misspelt": _set(SpecificCharacterSet=b"ISO-IR 100"),
    "character set in words": _set(
        SpecificCharacterSet=b"UTF-8", PatientName="Ďurič^Željko".encode(), StudyDescription=b"x"
    ),
    "undeclared UTF-8": _set(
        SpecificCharacterSet=None, PatientName="Müller^Jörg".encode(), StudyDescription="für".encode()
    ),
    "undeclared Latin-1": _set(SpecificCharacterSet=None),
    "ISO 2022 JP": _set(
        SpecificCharacterSet=b"\\ISO 2022 IR 87", StudyDescription=b"x",
        PatientName=b"Yamada^Tarou=" + _JAPANESE.replace("^", "\x1b(B^").encode("iso2022_jp"),
    ),
    "ISO 2022 KR": _set(
        SpecificCharacterSet=b"\\ISO 2022 IR 149", StudyDescription=b"x",
        PatientName=b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf",
    ),
    "GB18030": _set(
        SpecificCharacterSet=b"GB18030", StudyDescription=b"x", PatientName="Wang^XiaoDong=王^小东".encode("gb18030")
    ),
    "orientation empty": _set(PatientOrientation=b""),
    "orientation of one": _set(PatientOrientation=b"L"),
    "orientation unknown": _set(PatientOrientation=b"X\\Y"),
    "orientation oblique": _set(PatientOrientation=b"LH\\FR"),
    "orientation with a line end": _set(PatientOrientation=b"L\n\\F"),
    "pixel spacing zero": _set(ImagerPixelSpacing=b"0\\0"),
    "body part in lower case": _set(BodyPartExamined=b"chest pa"),
    "name in one piece": _set(PatientName=b"DOE JOHN"),
    "sent as secondary capture": _set(SOPClassUID=b"1.2.840.10008.5.1.4.1.1.7"),
    "lossy, ratio no number": _set(LossyImageCompression=b"01", LossyImageCompressionRatio=b"ten"),
    "lossy with method": _set(
        LossyImageCompression=b"01", LossyImageCompressionRatio=b"10", LossyImageCompressionMethod=b"ISO_10918_1"
    ),
}  # fmt: skip
"""Headers as they are met, by what is wrong with them; valid documents can be made of all of these."""

FILED_WRONG: dict[str, Callable[[], Dataset]] = {
    "patient ID of 70": _set(PatientID=b"p" * 70),
    "patient ID with a control character": _set(PatientID=b"a\x07b"),
    "name of many parts": _set(PatientName=b"A^B^C^D^E^F^G"),
    "patient name of 300": _set(PatientName=b"n" * 300),
    "study UID with a leading zero": _set(StudyInstanceUID=b"1.02.3"),
    "study UID of 70": _set(StudyInstanceUID=b"1." + b"2" * 68),
    "instance UID with letters": _set(SOPInstanceUID=b"1.2.x"),
}
"""Headers whose filing attributes break the Standard: documents repeat them, so that they are filed with them."""


@dataclass(frozen=True)
class Told:
    """What a structured report says of a finding, or of one of its regions."""

    name: str
    region: int
    """Counted from 1; 0 is the finding itself."""
    code: tuple[str, str]
    """Code Value and Coding Scheme Designator of the finding."""
    presence: str | None
    """Code Meaning of the claim."""
    value: float
    """Percent."""
    outline: list[float] | None
    """Columns and rows of the group's region; None where the finding is only evaluated."""
    comment: str | None


def told(document: Dataset) -> list[Told]:
    """Return what a report's measurement groups and evaluations say, findings before their regions."""
    found = []
    for item in walk(document):
        if "ContentSequence" not in item:
            continue
        items = {child.ConceptNameCodeSequence[0].get("CodeValue"): child for child in item.ContentSequence}
        concept = item.ConceptNameCodeSequence[0].get("CodeValue")
        if concept == "125007":
            name, _, region = items["112039"].TextValue.partition(" region ")
            code = items["121071"].ConceptCodeSequence[0]
        elif concept == "121071" and "111012" in items:
            code, region = item.ConceptCodeSequence[0], ""
            name = code.CodeMeaning
        else:
            continue
        found.append(
            Told(
                name, int(region or 0),
                (str(code.get("CodeValue", code.get("LongCodeValue"))), str(code.CodingSchemeDesignator)),
                items["121052"].ConceptCodeSequence[0].CodeMeaning if "121052" in items else None,
                float(items["111012"].MeasuredValueSequence[0].NumericValue),
                list(items["111030"].GraphicData) if "111030" in items else None,
                items["121106"].TextValue if "121106" in items else None,
            )
        )  # fmt: skip
    return sorted(found, key=lambda one: one.region > 0)
